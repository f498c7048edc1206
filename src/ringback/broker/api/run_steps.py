"""The steps of a run as its log shows them: one by one, in parallel groups, and what is being done now.

Source: workflow protocol 6.
"""

from ringback.broker.api.shapes import Shape
from ringback.broker.api.step_shapes import (
    call_shape,
    errors_of,
    execution_shape,
    init_shape,
    step_shape,
)
from ringback.broker.ids import message_id
from ringback.broker.operations.runs.history import Attempted, RunHistory
from ringback.broker.records import Entry
from ringback.broker.rules.runs import Step, read_step


def groups(history: RunHistory) -> list[Shape]:
    """Return the steps of a run: one by one, in parallel groups, and what is being executed now."""
    steps = [(entry, read_step(history.step_of(entry))) for entry in history.entries if entry.call_type == "step"]
    found: list[Shape] = []
    plans = {entry.identity[1:]: entry for entry, _ in steps if entry.identity.startswith("p")}
    before: Entry | None = None
    for entry, step in steps:
        if entry.identity == "init":
            found.append(_group("sequential", [init_shape(history, entry)]))
        elif entry.identity.startswith("p"):
            _add_plan(found, history, entry, step)
            continue
        else:
            _add_result(found, history, entry, step, plans.get(entry.identity[1:], before))
        before = entry
    _add_calls(found, history)
    pending = _next(history)
    return [_public(group) for group in found] + ([_group("next", [pending])] if pending else [])


def _add_plan(found: list[Shape], history: RunHistory, entry: Entry, step: Step | None) -> None:
    """A planned step opens a parallel group, or joins the one its siblings have opened."""
    size = (step.concurrent if step else None) or 1
    target = int(entry.identity[1:])
    last = found[-1] if found else None
    member = step_shape(history, entry, step) | {"stepId": target}
    if last and last["type"] == "parallel" and len(last["steps"]) < last["size"]:
        last["steps"].append(member)
    else:
        found.append({"type": "parallel", "steps": [member], "size": size})


def _add_result(
    found: list[Shape], history: RunHistory, entry: Entry, step: Step | None, executed_by: Entry | None
) -> None:
    """A result takes the place of its plan in a parallel group, or stands for itself."""
    shown = step_shape(history, entry, step) | execution_shape(history, executed_by)
    number = entry.identity[1:]
    for group in found:
        if group["type"] != "parallel":
            continue
        for at, member in enumerate(group["steps"]):
            if str(member.get("stepId")) == number:
                group["steps"][at] = member | shown
                return
    found.append({"type": "sequential", "steps": [shown]})


def _add_calls(found: list[Shape], history: RunHistory) -> None:
    """A third-party call whose result is not there yet is shown as what it is doing."""
    known = {str(step.get("stepId")) for group in found for step in group["steps"] if "out" in step}
    for entry in history.entries:
        if entry.call_type != "toCallback" or entry.identity[1:] in known:
            continue
        shown = call_shape(history, entry)
        for group in found:
            for at, member in enumerate(group["steps"]):
                if str(member.get("stepId")) == entry.identity[1:]:
                    group["steps"][at] = member | shown
                    break
            else:
                continue
            break
        else:
            found.append({"type": "sequential", "steps": [shown]})


def _next(history: RunHistory) -> Shape | None:
    """What is being executed now, or was when the run ended: the last delivery that has not led on."""
    if history.run.state == "RUN_SUCCESS":
        return None
    step_entries = [
        entry
        for entry in history.entries
        if entry.call_type == "step" and (entry.place is not None or entry.identity == "init")
    ]
    if not step_entries:
        return None
    letter = history.letter
    entry = next((one for one in step_entries if letter and one.message == letter.message), step_entries[-1])
    attempt = history.attempts.get(entry.message)
    if attempt is None or entry.identity.startswith("p") or _has_follower(history, entry, attempt):
        return None
    if history.run.state == "RUN_STARTED":
        retried = attempt.delivery is not None and attempt.delivery.retried > 0
        state = "STEP_RETRY" if retried else "STEP_PROGRESS"
    else:
        state = "STEP_FAILED" if history.run.state == "RUN_FAILED" else "STEP_CANCELED"
    shape: Shape = {"messageId": message_id(entry.message), "state": state, "retries": attempt.message.retries}
    if attempt.message.retry_delay:
        shape["retryDelay"] = attempt.message.retry_delay
    if history.run.failed_step:
        shape["stepName"] = history.run.failed_step
    said = history.progress.get(entry.message)
    if said is not None:
        shape["progress"] = said.text
    return shape | errors_of(attempt)


def _has_follower(history: RunHistory, entry: Entry, attempt: Attempted) -> bool:
    """Whether the delivery of an entry was accepted while something it led to is still to come."""
    accepted = bool(attempt.events) and attempt.events[-1].state == "DELIVERED" and attempt.delivery is None
    waits = any(other.message > entry.message and other is not entry for other in history.entries)
    return accepted and (history.run.state == "RUN_STARTED" or waits) and waits


def _group(kind: str, steps: list[Shape]) -> Shape:
    return {"type": kind, "steps": steps}


def _public(group: Shape) -> Shape:
    """Members of a group are shown in the order of the code, whenever each was submitted."""
    steps = (
        sorted(group["steps"], key=lambda step: step.get("stepId", 0))
        if group["type"] == "parallel"
        else group["steps"]
    )
    return {"type": group["type"], "steps": steps}
