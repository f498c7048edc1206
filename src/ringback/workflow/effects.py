"""What a delivery brings about, as a value: one call to the broker, or the same said in the answer to the delivery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ringback.client import calls
from ringback.client.calls import Call
from ringback.client.messages import Item, RunRef, call, invocation, result, run_headers, start, wait_body
from ringback.wire.steps import Step, StepType, dump, step_json
from ringback.workflow.facts import Facts
from ringback.workflow.steps import Asked, Invoke, Sleep, ThirdPartyCall, Wait


@dataclass(frozen=True, slots=True)
class Effect:
    """What a delivery brings about.

    Attributes:
        call: makes the call to the broker that says it; None when there is nothing to say.
        answer: the same as JSON for an answer that carries results; None where only the call can say it.
    """

    call: Callable[[], Call[Any]] | None
    answer: dict[str, Any] | None


NOTHING = Effect(None, {"discard": True})


def submit(*items: Item) -> Effect:
    """Publish these messages together."""
    return Effect(partial(calls.batch, items), {"submit": [item.json() for item in items]})


def finish(run: RunRef, text: str | None) -> Effect:
    """End the run with a result (JSON text), or without one."""
    return Effect(partial(calls.finish, run.id, text), {"finish": {"result": text}})


def cancel(run: RunRef) -> Effect:
    """End the run as canceled."""
    return Effect(partial(calls.abandon, run.id), {"cancel": True})


def announce(run: RunRef, asked: Sequence[Asked[Any]], first: int) -> Effect:
    """Publish the plans of a parallel group; those of sleeps come back when they are over."""
    items = []
    for index, step in enumerate(asked):
        plan = Step(0, step.name, step.type, None, len(asked), first + index, step.more())
        delay = step.delay if isinstance(step, Sleep) else None
        not_before = step.not_before if isinstance(step, Sleep) else None
        items.append(result(run, dump(step_json(plan)), delay=delay, not_before=not_before))
    return submit(*items)


def complete(run: RunRef, step: Step) -> Effect:
    """Publish the result of a step."""
    return submit(result(run, dump(step_json(step))))


def start_step(facts: Facts, asked: Asked[Any], number: int, concurrent: int, child_url: str = "") -> Effect:
    """Have the broker do a step that needs no function of ours.

    Args:
        facts: what is known of the run.
        asked: the step.
        number: its place in the run.
        concurrent: size of its group.
        child_url: for an invocation: where the other workflow is.
    """
    run = facts.run
    step = Step(number, asked.name, asked.type, None, concurrent, None, asked.more())
    bare = step_json(Step(number, asked.name, asked.type, None, concurrent))
    match asked:
        case Sleep():
            if concurrent > 1:  # the plan has slept already
                return complete(run, step)
            return submit(result(run, dump(step_json(step)), delay=asked.delay, not_before=asked.not_before))
        case ThirdPartyCall():
            item = call(run, asked.request, step_id=number, step_name=asked.name, concurrent=concurrent)
            return submit(item)
        case Wait():
            headers = run_headers(run) | {"Upstash-Workflow-CallType": "step"}
            body = wait_body(run, bare, asked.timeout)
            return Effect(partial(calls.wait, asked.event_id, headers, body), None)
        case Invoke():
            return _invoke(facts, asked, bare, child_url)
    raise AssertionError(f"{asked.type} is not the broker's to do")


def _invoke(facts: Facts, asked: Invoke[Any], step: dict[str, Any], url: str) -> Effect:
    child = RunRef(asked.run_id, url, facts.run.invoke_count + 1)
    message = start(child, asked.body, asked.options)
    headers = message.headers | {"Upstash-Workflow-Invoke": "true"}
    body = dump(invocation(facts.run, facts.created_at, step, message))
    return Effect(partial(calls.publish, Item(url, headers, body)), None)


def call_result(run: RunRef, step_id: int, name: str, concurrent: int, callback: dict[str, Any]) -> Effect | None:
    """Publish the answer of a third party; None when the broker will try the call again.

    Args:
        run: the run.
        step_id, name, concurrent: what the callback's headers say of the step.
        callback: the callback's body (protocol workflow 2.5).
    """
    status = int(callback.get("status") or 0)
    most = callback.get("maxRetries")
    if not 200 <= status < 300 and most and callback.get("retried") != most:
        return None
    out = dump({"status": status, "body": callback["text"], "header": callback.get("header") or {}})
    item = result(run, dump(step_json(Step(step_id, name, StepType.CALL, out, concurrent))))
    return Effect(partial(calls.publish, item), {"submit": [item.json()]})
