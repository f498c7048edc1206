"""What records look like as JSON (protocol 2.4, 7.2, 8)."""

import base64
from typing import Any

from ringback.broker.ids import message_id, position
from ringback.broker.records import DeadLetter, Event, Message, Schedule
from ringback.broker.rules.callbacks import grouped
from ringback.wire.options import Callback, FlowControl, Options, Redaction
from ringback.wire.redaction import redacted_body, redacted_headers

Shape = dict[str, Any]


def message(record: Message) -> Shape:
    """Return a message as `GET /v2/messages/{id}` shows it."""
    shape = _identity(record) | _headers(record)
    body = _text_body("body", record)
    shape |= body
    shape |= {"maxRetries": record.retries, "notBefore": record.not_before, "createdAt": record.created_at}
    shape |= _callbacks(record, "callbackHeader", "failureCallbackHeader")
    shape |= _present(queueName=record.queue, scheduleId=record.schedule)
    shape |= {"callerIP": record.caller_ip, "callerIp": record.caller_ip}
    shape |= _labels(record) | flow_control(record.flow)
    return shape | _present(retryDelayExpression=record.retry_delay)


def dead_letter(letter: DeadLetter, record: Message) -> Shape:
    """Return an entry of the dead-letter queue: the message, the last answer, and (ours) why that was none or not taken."""
    shape: Shape = {"dlqId": position(letter.pos)} | message(record)
    shape["responseStatus"] = letter.status
    if letter.headers:
        shape["responseHeader"] = grouped(letter.headers)
    shape |= _present(error=letter.error)
    return shape | text_or_base64("responseBody", letter.body or (letter.error or "").encode())


def event(record: Event, about: Message, trim: int | None = None) -> Shape:
    """Return one line of history, with what is known of its message; bodies are cut to `trim` bytes, -1 leaves them out."""
    shape: Shape = {"time": record.at, "state": record.state} | _identity(about) | _headers(about)
    body = redacted_body(about.body, about.redact)
    if body is not None:
        shape["body"] = body
    elif about.body and trim != -1:
        shape["body"] = base64.b64encode(about.body[:trim]).decode()
    shape |= _present(queueName=about.queue, scheduleId=about.schedule)
    shape |= {"maxRetries": about.retries, "timeout": about.timeout_ms}
    shape |= _present(retryDelayExpr=about.retry_delay, retryDelayExpression=about.retry_delay)
    shape |= _callbacks(about, "callbackHeaders", "failureCallbackHeaders")
    shape |= _labels(about) | flow_control(about.flow)
    shape |= {"callerIP": about.caller_ip, "callerIp": about.caller_ip}
    return shape | _outcome(record, trim)


def schedule(record: Schedule, default_retries: int) -> Shape:
    """Return a schedule as `GET /v2/schedules/{id}` shows it (protocol 2.8)."""
    options = record.options
    shape: Shape = {
        "scheduleId": record.id,
        "cron": record.cron,
        "destination": record.destination,
        "method": options.method or "POST",
        "createdAt": record.created_at,
        "retries": default_retries if options.retries is None else options.retries,
        "isPaused": record.paused,
    }
    if options.headers:
        shape["header"] = grouped(redacted_headers(options.headers, options.redact))
    hidden = redacted_body(record.body, options.redact)
    shape |= {"body": hidden} if hidden is not None else text_or_base64("body", record.body)
    for name, value in (("delay", options.delay_ms), ("timeout", options.timeout_ms)):
        if value is not None:
            shape[name] = value // 1000
    shape |= _callbacks(options, "callbackHeader", "failureCallbackHeader")
    shape |= _present(queueName=record.queue, retryDelayExpression=options.retry_delay)
    shape |= {"callerIP": record.caller_ip, "callerIp": record.caller_ip}
    shape |= _labels(options) | flow_control(options.flow_control)
    return shape | _present(lastScheduleTime=record.last_at, nextScheduleTime=record.wake_at, error=record.error)


def _outcome(record: Event, trim: int | None) -> Shape:
    shape = _present(nextDeliveryTime=record.next_at, error=record.error)
    if record.status is not None:
        shape["responseStatus"] = record.status
    if record.body and trim != -1:
        shape["responseBody"] = base64.b64encode(record.body[:trim]).decode()
    if record.headers:
        shape["responseHeader"] = shape["responseHeaders"] = grouped(record.headers)
    return shape


def _identity(record: Message) -> Shape:
    shape: Shape = {"messageId": message_id(record.seq), "url": record.url}
    return shape | _present(topicName=record.group, endpointName=record.endpoint) | {"method": record.method}


def _headers(record: Message) -> Shape:
    return {"header": grouped(redacted_headers(record.headers, record.redact))} if record.headers else {}


def _text_body(name: str, record: Message) -> Shape:
    hidden = redacted_body(record.body, record.redact)
    return {name: hidden} if hidden is not None else text_or_base64(name, record.body)


def text_or_base64(name: str, body: bytes) -> Shape:
    """Return a body as text where it is text, else as base64 under another name (protocol 2.4)."""
    if not body:
        return {}
    try:
        return {name: body.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(body).decode()}


def _callbacks(record: Message | Options, header: str, failure_header: str) -> Shape:
    return _callback("callback", header, record.callback, record.redact) | _callback(
        "failureCallback", failure_header, record.failure_callback, record.redact
    )


def _callback(name: str, header: str, callback: Callback | None, redact: Redaction | None) -> Shape:
    if callback is None:
        return {}
    headers = redacted_headers(callback.options.headers, redact)
    return {name: callback.url} | ({header: grouped(headers)} if headers else {})


def _labels(record: Message | Options) -> Shape:
    return {"label": record.labels[0], "labels": list(record.labels)} if record.labels else {}


def flow_control(flow: FlowControl | None) -> Shape:
    """Return the flow-control fields of a message."""
    if flow is None:
        return {}
    return (
        {"flowControlKey": flow.key} | _present(parallelism=flow.parallelism, rate=flow.rate) | {"period": flow.period}
    )


def _present(**values: Any) -> Shape:
    return {name: value for name, value in values.items() if value is not None}
