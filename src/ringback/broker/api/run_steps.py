"""The steps of a run as its log shows them: one by one, in parallel groups, and what is being done now.

Source: workflow protocol 6.
"""

from typing import Any

from ringback.broker.api.shapes import Shape
from ringback.broker.ids import instant_of, message_id
from ringback.broker.operations.runs.history import Attempted, RunHistory
from ringback.broker.records import Entry, Event, Waiter
from ringback.broker.rules.callbacks import grouped
from ringback.broker.rules.runs import Step, read_step
from ringback.wire import duration
from ringback.wire.redaction import redacted_body, redacted_headers

_END = {"DELIVERED": "STEP_SUCCESS", "FAILED": "STEP_FAILED", "CANCELED": "STEP_CANCELED"}


def groups(history: RunHistory) -> list[Shape]:
    """Return the steps of a run: one by one, in parallel groups, and what is being executed now."""
    steps = [(entry, read_step(history.step_of(entry))) for entry in history.entries if entry.call_type == "step"]
    found: list[Shape] = []
    plans = {entry.identity[1:]: entry for entry, _ in steps if entry.identity.startswith("p")}
    before: Entry | None = None
    for entry, step in steps:
        if entry.identity == "init":
            found.append(_group("sequential", [_init(history, entry)]))
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
    member = _step(history, entry, step) | {"stepId": target}
    if last and last["type"] == "parallel" and len(last["steps"]) < last["size"]:
        last["steps"].append(member)
    else:
        found.append({"type": "parallel", "steps": [member], "size": size})


def _add_result(
    found: list[Shape], history: RunHistory, entry: Entry, step: Step | None, executed_by: Entry | None
) -> None:
    """A result takes the place of its plan in a parallel group, or stands for itself."""
    shown = _step(history, entry, step) | _execution(history, executed_by)
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
        shown = _call(history, entry)
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


def _execution(history: RunHistory, executed_by: Entry | None) -> Shape:
    """Return when the delivery began that executed a step, and which of its attempts failed; an addition of ours."""
    attempt = history.attempts.get(executed_by.message) if executed_by else None
    if attempt is None:
        return {}
    began = next((event.at for event in attempt.events if event.state == "ACTIVE"), None)
    errors = [_error(event) for event in attempt.events if event.state == "ERROR"]
    return ({"startedAt": began} if began is not None else {}) | ({"failedAttempts": errors} if errors else {})


def _init(history: RunHistory, entry: Entry) -> Shape:
    record = history.run
    headers = (("Content-Type", "application/json"), ("Upstash-Workflow-Sdk-Version", "1"), *record.headers)
    hidden = redacted_body(entry.body, record.options.redact)
    attempt = history.attempts.get(entry.message)
    return {
        "stepName": "init",
        "stepType": "Initial",
        "callType": "step",
        "messageId": message_id(entry.message),
        "out": hidden if hidden is not None else entry.body.decode("utf-8", "replace"),
        "concurrent": 1,
        "state": "STEP_SUCCESS",
        "createdAt": record.created_at,
        "retries": attempt.message.retries if attempt else 0,
        "headers": grouped(redacted_headers(headers, record.options.redact)),
    }


def _step(history: RunHistory, entry: Entry, step: Step | None) -> Shape:
    attempt = history.attempts.get(entry.message)
    is_result = not entry.identity.startswith("p") and bool(entry.body)
    shape: Shape = {
        "stepName": step.name if step else "",
        "stepType": step.type if step else "",
        "callType": "fromCallback" if step and step.type == "Call" and is_result else "step",
        "messageId": message_id(entry.message),
        "concurrent": (step.concurrent if step else None) or 1,
        "state": _state(history, entry, attempt, is_result),
        "createdAt": instant_of(entry.message),
        "retries": attempt.message.retries if attempt else 0,
        "headers": {},
    }
    if entry.identity.startswith("r"):
        shape["stepId"] = int(entry.identity[1:])
    if step is not None:
        shape |= _of_type(history, entry, step, attempt)
    waiter = history.waiters.get(entry.identity)
    if waiter is not None:
        shape |= _waiting(waiter)
    if entry.child is not None:
        shape |= _child(history, entry)
    if not is_result:
        shape |= errors_of(attempt)
    return shape


def _of_type(history: RunHistory, entry: Entry, step: Step, attempt: Attempted | None) -> Shape:
    shape: Shape = {}
    if isinstance(step.out, str) and not _is_asleep(attempt):
        redact = history.run.options.redact
        shape["out"] = redacted_body(step.out.encode(), redact) or step.out
    if step.target is not None and entry.identity.startswith("p"):
        shape["targetStep"] = step.target
    if step.sleep_for is not None:
        shape["sleepFor"] = _milliseconds(step.sleep_for)
    if step.sleep_until is not None:
        shape["sleepUntil"] = int(float(step.sleep_until) * 1000)
    if step.wait_event_id:
        shape["waitEventId"] = step.wait_event_id
        shape["waitTimeout"] = bool(step.wait_timeout)
        shape["waitTimeoutDuration"] = str(step.timeout or "")
    return shape


def _state(history: RunHistory, entry: Entry, attempt: Attempted | None, is_result: bool) -> str:
    if is_result and not _is_asleep(attempt):
        return "STEP_SUCCESS"
    if attempt is not None and attempt.events and attempt.delivery is None:
        end = _END.get(attempt.events[-1].state)
        if end in ("STEP_FAILED", "STEP_CANCELED"):
            return end
    if history.run.state == "RUN_STARTED":
        return "STEP_RETRY" if attempt and attempt.delivery and attempt.delivery.retried else "STEP_PROGRESS"
    return "STEP_FAILED" if history.letter and history.letter.message == entry.message else "STEP_CANCELED"


def _is_asleep(attempt: Attempted | None) -> bool:
    """A sleep's result is there before its time has come."""
    delivery = attempt.delivery if attempt else None
    return delivery is not None and delivery.wake_at is not None and delivery.retried == 0


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


def _call(history: RunHistory, entry: Entry) -> Shape:
    attempt = history.attempts.get(entry.message)
    answered = any(one.identity == f"f{entry.identity}" for one in history.entries)
    shape: Shape = {
        "stepName": "",
        "stepType": "Call",
        "callType": "fromCallback" if answered else "toCallback",
        "messageId": message_id(entry.message),
        "concurrent": 1,
        "state": "STEP_PROGRESS" if history.run.state == "RUN_STARTED" else "STEP_CANCELED",
        "createdAt": instant_of(entry.message),
        "retries": attempt.message.retries if attempt else 0,
        "headers": {},
    }
    if entry.identity.startswith("c"):
        shape["stepId"] = int(entry.identity[1:])
    if attempt is not None:
        message = attempt.message
        callback = message.run.callback if message.run else None
        names = dict(callback.options.headers) if callback else {}
        shape["stepName"] = names.get("Upstash-Workflow-Stepname", "")
        concurrent = names.get("Upstash-Workflow-Concurrent", "")
        shape["concurrent"] = int(concurrent) if concurrent.isascii() and concurrent.isdigit() else 1
        shape |= {
            "callUrl": message.url,
            "callMethod": message.method,
            "callHeaders": grouped(redacted_headers(message.headers, message.redact)),
            "callBody": redacted_body(message.body, message.redact) or message.body.decode("utf-8", "replace"),
        }
    return shape | errors_of(attempt)


def _waiting(waiter: Waiter) -> Shape:
    return {
        "waitEventId": waiter.event_id,
        "waitTimeoutDuration": waiter.timeout,
        "waitTimeoutDeadline": waiter.wake_at,
        "waitTimeout": False,
    }


def _child(history: RunHistory, entry: Entry) -> Shape:
    child = history.children.get(entry.child or 0)
    if child is None:
        return {}
    return {
        "stepType": "Invoke",
        "invokedWorkflowRunId": child.run_id,
        "invokedWorkflowUrl": child.url,
        "invokedWorkflowCreatedAt": child.created_at,
        "invokedWorkflowRunHeaders": grouped(child.headers),
    }


def errors_of(attempt: Attempted | None) -> Shape:
    """Return what went wrong with a message so far, and when it is tried again."""
    errors = [_error(event) for event in (attempt.events if attempt else []) if event.state == "ERROR"]
    shape: Shape = {"errors": errors} if errors else {}
    delivery = attempt.delivery if attempt else None
    if delivery is not None and delivery.retried and delivery.wake_at is not None:
        shape["nextDeliveryTime"] = delivery.wake_at
    return shape


def _error(event: Event) -> Shape:
    return {
        "error": event.error or "",
        "status": event.status or 0,
        "headers": grouped(event.headers),
        "body": event.body.decode("utf-8", "replace"),
        "time": event.at,
    }


def _milliseconds(value: Any) -> int:
    """A number is seconds, a text a duration."""
    return duration.parse(value) if isinstance(value, str) else int(float(value) * 1000)


def _group(kind: str, steps: list[Shape]) -> Shape:
    return {"type": kind, "steps": steps}


def _public(group: Shape) -> Shape:
    return {"type": group["type"], "steps": group["steps"]}
