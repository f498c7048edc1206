"""One step of a run as its log shows it: what it is, how far it has come, what went wrong.

Source: workflow protocol 6.
"""

import base64
from typing import Any

import msgspec
from msgspec import Struct

from ringback.broker.api.shapes import Shape
from ringback.broker.ids import instant_of, message_id
from ringback.broker.operations.runs.history import Attempted, RunHistory
from ringback.broker.records import Entry, Event, Message, Waiter
from ringback.broker.rules.callbacks import grouped
from ringback.broker.rules.runs import Step
from ringback.wire import duration
from ringback.wire.redaction import redacted_body, redacted_headers

_END = {"DELIVERED": "STEP_SUCCESS", "FAILED": "STEP_FAILED", "CANCELED": "STEP_CANCELED"}


def execution_shape(history: RunHistory, executed_by: Entry | None) -> Shape:
    """Return when the delivery began that executed a step, and which of its attempts failed; an addition of ours."""
    attempt = history.attempts.get(executed_by.message) if executed_by else None
    if attempt is None:
        return {}
    began = next((event.at for event in attempt.events if event.state == "ACTIVE"), None)
    errors = [_error(event) for event in attempt.events if event.state == "ERROR"]
    return ({"startedAt": began} if began is not None else {}) | ({"failedAttempts": errors} if errors else {})


def init_shape(history: RunHistory, entry: Entry) -> Shape:
    """Return the step that every run begins with: what it was started with."""
    record = history.run
    headers = (("Content-Type", "application/json"), ("Upstash-Workflow-Sdk-Version", "1"), *record.headers)
    hidden = redacted_body(entry.body, record.options.redact)
    attempt = history.attempts.get(entry.message)
    shape: Shape = {
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
    return shape | _retry_delay(attempt)


def step_shape(history: RunHistory, entry: Entry, step: Step | None) -> Shape:
    """Return a planned step or a result; `step` is what its entry says, None where that cannot be read."""
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
    shape |= _retry_delay(attempt)
    if step is not None:
        shape |= _of_type(history, entry, step, attempt)
        if step.type == "Call" and is_result:
            shape |= _called(history, entry.identity[1:])
    waiter = history.waiters.get(entry.identity)
    if waiter is not None:
        shape |= _waiting(waiter)
    elif entry.deadline is not None:
        shape["waitTimeoutDeadline"] = entry.deadline
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


def call_shape(history: RunHistory, entry: Entry) -> Shape:
    """Return a third-party call that its step waits for."""
    attempt = history.attempts.get(entry.message)
    shape: Shape = {
        "stepName": "",
        "stepType": "Call",
        "callType": "fromCallback" if f"f{entry.identity}" in history.calls else "toCallback",
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
        shape |= _request(message)
    return shape | _answer(history, f"f{entry.identity}") | _retry_delay(attempt) | errors_of(attempt)


def _called(history: RunHistory, step_id: str) -> Shape:
    """Return what was called for a result, and what the answer was."""
    call = history.calls.get(f"c{step_id}")
    attempt = history.attempts.get(call.message) if call else None
    return (_request(attempt.message) if attempt else {}) | _answer(history, f"fc{step_id}")


def _request(message: Message) -> Shape:
    return {
        "callUrl": message.url,
        "callMethod": message.method,
        "callHeaders": grouped(redacted_headers(message.headers, message.redact)),
        "callBody": redacted_body(message.body, message.redact) or message.body.decode("utf-8", "replace"),
    }


class _Told(Struct):
    """What the endpoint was told of a call (workflow protocol 2.5)."""

    status: int
    header: dict[str, list[str]]
    body: str


def _answer(history: RunHistory, identity: str) -> Shape:
    entry = history.calls.get(identity)
    if entry is None:
        return {}
    told = msgspec.json.decode(entry.body, type=_Told)
    body = base64.b64decode(told.body)
    return {
        "callResponseStatus": told.status,
        "callResponseHeaders": told.header,
        "callResponseBody": redacted_body(body, history.run.options.redact) or body.decode("utf-8", "replace"),
    }


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
    redact = child.options.redact
    payload = history.payloads.get(child.seq, b"")
    return {
        "stepType": "Invoke",
        "invokedWorkflowRunId": child.run_id,
        "invokedWorkflowUrl": child.url,
        "invokedWorkflowCreatedAt": child.created_at,
        "invokedWorkflowRunBody": redacted_body(payload, redact) or payload.decode("utf-8", "replace"),
        "invokedWorkflowRunHeaders": grouped(redacted_headers(child.headers, redact)),
    }


def _retry_delay(attempt: Attempted | None) -> Shape:
    return {"retryDelay": attempt.message.retry_delay} if attempt and attempt.message.retry_delay else {}


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
