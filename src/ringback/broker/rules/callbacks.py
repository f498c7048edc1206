"""Callbacks: the messages that report how an attempt went (protocol 6)."""

import base64

import msgspec

from ringback.broker.ids import message_id, position
from ringback.broker.records import HeaderLines, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import due_at
from ringback.wire.http import Outcome
from ringback.wire.options import Callback
from ringback.wire.redaction import of_report


def callback_message(
    callback: Callback,
    source: Message,
    outcome: Outcome,
    retried: int,
    moment: Moment,
    dead_letter: int | None = None,
) -> Message:
    """Return the message that tells a callback URL of one attempt.

    Args:
        callback: where to, and how.
        source: the message that was attempted.
        outcome: what came back.
        retried: number of the attempt, 0 for the first.
        moment: time and ids.
        dead_letter: number of the dead letter; given for failure callbacks only.
    """
    options = callback.options
    headers = [line for line in options.headers if line[0] != "Content-Type"]
    return Message(
        seq=moment.new_id(),
        tenant=source.tenant,
        url=callback.url,
        method=options.method or "POST",
        headers=(("Content-Type", "application/json"), *headers),
        body=payload(source, outcome, retried, dead_letter),
        created_at=moment.now,
        not_before=due_at(options, moment.now),
        retries=source.retries if options.retries is None else options.retries,
        timeout_ms=source.timeout_ms if options.timeout_ms is None else options.timeout_ms,
        retry_delay=options.retry_delay,
        callback=options.callback,
        failure_callback=options.failure_callback,
        labels=options.labels or source.labels,
        flow=options.flow_control,
        caller_ip=source.caller_ip,
        redact=of_report(options.redact, source.redact),
        holds=source.queue or source.holds,
        fixed=options.not_before is not None,
    )


def payload(source: Message, outcome: Outcome, retried: int, dead_letter: int | None = None) -> bytes:
    """Return the JSON body of a callback (protocol 6.2), written as JavaScript would write it."""
    answer = outcome.body or (outcome.error or "").encode()
    told: dict[str, object] = {
        "status": outcome.status,
        "header": grouped(tuple(outcome.headers)),
        "body": base64.b64encode(answer).decode(),
        "retried": retried,
        "maxRetries": source.retries,
    }
    if dead_letter is not None:
        told["dlqId"] = position(dead_letter)
    told["sourceMessageId"] = message_id(source.seq)
    if source.group:
        told["topicName"] = source.group
    if source.endpoint:
        told["endpointName"] = source.endpoint
    told |= {
        "url": source.url,
        "method": source.method,
        "sourceHeader": grouped(source.headers),
        "sourceBody": base64.b64encode(source.body).decode(),
        "notBefore": source.not_before,
        "createdAt": source.created_at,
    }
    if source.schedule:
        told["scheduleId"] = source.schedule
    told["callerIP"] = source.caller_ip
    return msgspec.json.encode(told)


def grouped(headers: HeaderLines) -> dict[str, list[str]]:
    """Return header lines as name to values, in the order of first appearance."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found
