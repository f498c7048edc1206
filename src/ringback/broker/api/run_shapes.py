"""What runs look like as JSON (workflow protocol 3.5, 6)."""

import base64

from ringback.broker.api import shapes
from ringback.broker.api.run_steps import groups
from ringback.broker.api.shapes import Shape
from ringback.broker.api.step_shapes import errors_of
from ringback.broker.ids import message_id, position
from ringback.broker.operations.runs.history import RunHistory
from ringback.broker.records import DeadLetter, Entry, FailureFunction, Message, Run, Waiter
from ringback.broker.rules.callbacks import grouped
from ringback.wire.options import Options
from ringback.wire.redaction import redacted_body, redacted_headers


def run(history: RunHistory, trim: int | None = None) -> Shape:
    """Return a run as the logs show it; bodies are cut to `trim` bytes, -1 leaves them out."""
    record = history.run
    shape: Shape = {
        "workflowRunId": record.run_id,
        "workflowUrl": record.url,
        "workflowState": record.state,
        "workflowRunCreatedAt": record.created_at,
    }
    if record.ended_at is not None:
        shape["workflowRunCompletedAt"] = record.ended_at
    if record.caller_ip:
        shape["workflowRunCallerIp"] = record.caller_ip
    shape |= shapes.flow_control(record.options.flow_control) | _labels(record.options)
    if record.dead_letter is not None:
        shape["dlqId"] = position(record.dead_letter)
    if record.result is not None:
        shape["workflowRunResponse"] = record.result
    if history.invoker is not None:
        shape["invoker"] = _invoker(history.invoker)
    failure = failure_function(history)
    if failure is not None:
        shape["failureFunction"] = failure
    return shape | {"steps": [_trimmed(group, trim) for group in groups(history)]}


def failure_function(history: RunHistory) -> Shape | None:
    """Return how the failure function of a run is doing."""
    failure, letter = history.run.failure, history.letter
    if failure is None:
        return None
    attempt = history.attempts.get(failure.message)
    shape: Shape = {
        "messageId": message_id(failure.message),
        "url": attempt.message.url if attempt else history.run.url,
        "state": failure.state,
        "failHeaders": grouped(letter.headers) if letter else {},
        "failStatus": letter.status if letter else 0,
        "failResponse": (letter.body or (letter.error or "").encode()).decode("utf-8", "replace") if letter else "",
    }
    if letter is not None:
        shape["dlqId"] = position(letter.pos)
    if attempt is not None:
        shape["maxRetries"] = attempt.message.retries
    return shape | errors_of(attempt) | _answer(failure)


def _answer(failure: FailureFunction) -> Shape:
    if not failure.status:
        return {}
    return {
        "responseStatus": failure.status,
        "responseHeaders": grouped(failure.headers),
        "responseBody": failure.body.decode("utf-8", "replace"),
    }


def dead_letter(letter: DeadLetter, message: Message, record: Run, body: bytes) -> Shape:
    """Return the dead letter of a run."""
    shape = shapes.dead_letter(letter, message)
    shape |= {
        "workflowRunId": record.run_id,
        "workflowUrl": record.url,
        "workflowCreatedAt": record.created_at,
    }
    if body:
        hidden = redacted_body(body, record.options.redact)
        shape |= {"body": hidden} if hidden is not None else shapes.text_or_base64("body", body)
    shape["responseHeader"] = grouped(letter.headers)
    callback = record.options.failure_callback
    if callback is not None:
        shape["failureCallback"] = callback.url
        hidden_headers = redacted_headers(callback.options.headers, record.options.redact)
        shape["failureCallbackHeader"] = grouped(hidden_headers)
    failure = record.failure
    if failure is not None:
        shape["failureFunctionState"] = failure.state
        shape["failureCallbackInfo"] = {"state": failure.state} | _answer(failure)
    return shape


def waiter(record: Waiter) -> Shape:
    """Return a waiting step as `GET /v2/waiters` shows it; its deadline is in seconds.

    No SDK sends a body for the time-out, but the type that theirs gives a waiter requires the field.
    """
    return {
        "url": record.url,
        "deadline": record.wake_at // 1000,
        "headers": {},
        "timeoutUrl": record.url,
        "timeoutBody": "",
        "timeoutHeaders": grouped(record.headers),
    }


def raw_entry(entry: Entry) -> Shape:
    """Return an entry of a run's list as the endpoint reads it."""
    return {
        "messageId": message_id(entry.message),
        "body": base64.b64encode(entry.body).decode(),
        "callType": entry.call_type,
    }


def _invoker(record: Run) -> Shape:
    return {
        "workflowRunId": record.run_id,
        "workflowUrl": record.url,
        "workflowRunCreatedAt": record.created_at,
    }


def _labels(options: Options) -> Shape:
    return {"label": options.labels[0], "labels": list(options.labels)} if options.labels else {}


def _trimmed(group: Shape, trim: int | None) -> Shape:
    if trim is None:
        return group
    for step in group["steps"]:
        for name in ("out", "callBody", "callResponseBody", "invokedWorkflowRunBody"):
            if name in step:
                step[name] = step[name][:trim] if trim >= 0 else ""
    return group
