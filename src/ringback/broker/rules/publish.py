"""Accepting a message: what it becomes, and which id makes it a duplicate."""

import hashlib

from ringback.broker.records import HeaderLines, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire.options import Options
from ringback.wire.trace import NAMES as TRACE


def message_from(
    tenant: str, url: str, options: Options, body: bytes, caller_ip: str, limits: Limits, moment: Moment
) -> Message:
    """Return the message that a publish to one URL makes.

    Raises:
        Refused: 412 where an option is above a limit (texts of the reference, 1.3).
    """
    check_quotas(options, body, limits, moment.now)
    return Message(
        seq=moment.new_id(),
        tenant=tenant,
        url=url,
        method=options.method or "POST",
        headers=options.headers,
        body=body,
        created_at=moment.now,
        not_before=due_at(options, moment.now),
        retries=limits.default_retries if options.retries is None else options.retries,
        timeout_ms=limits.timeout_ms if options.timeout_ms is None else options.timeout_ms,
        retry_delay=options.retry_delay,
        callback=options.callback,
        failure_callback=options.failure_callback,
        labels=options.labels,
        flow=options.flow_control,
        caller_ip=caller_ip,
        redact=options.redact,
        fixed=options.not_before is not None,
    )


def due_at(options: Options, now: Instant) -> Instant:
    """Return when the first attempt is due: not-before wins over delay, and the past is now (protocol 3.2)."""
    if options.not_before is not None:
        return max(now, options.not_before)
    return now + (options.delay_ms or 0)


def check_size(body: bytes, limits: Limits) -> None:
    """Raise Refused with status 412 where a body is larger than messages may be."""
    if len(body) > limits.body_bytes:
        raise Refused(412, f"quota maxMessageSize exceeded, current limit: {limits.body_bytes}")


def check_quotas(options: Options, body: bytes, limits: Limits, now: Instant) -> None:
    """Raise Refused with status 412 where a valid option is above a limit."""
    check_size(body, limits)
    _check_asked(options, limits, now)


def _check_asked(options: Options, limits: Limits, now: Instant) -> None:
    """Callbacks are messages, too, and ask for no more than others (protocol 3.9)."""
    if options.retries is not None and options.retries > limits.retries:
        raise Refused(412, f"quota maxRetries exceeded, current limit: {limits.retries}")
    if due_at(options, now) - now > limits.delay_ms:
        raise Refused(412, f"quota maxDelay exceeded, current limit: {limits.delay_ms // 1000}")
    if options.timeout_ms is not None and options.timeout_ms > limits.timeout_ms:
        raise Refused(412, f"quota maxTimeout exceeded, current limit: {limits.timeout_ms // 1000}")
    for callback in (options.callback, options.failure_callback):
        if callback is not None:
            _check_asked(callback.options, limits, now)


def dedup_id(options: Options, destination: str, body: bytes) -> str | None:
    """Return the id under which a second publish is a duplicate; an explicit one wins (protocol 3.6)."""
    if options.deduplication_id:
        return options.deduplication_id
    if options.content_based_deduplication:
        return f"content:{content_hash(destination, options.headers, body)}"
    return None


def content_hash(destination: str, headers: HeaderLines, body: bytes) -> str:
    """Return a hash of what makes two publishes the same: destination, body, Content-Type and forwarded headers.

    The trace of a publish is its own and makes no difference.
    """
    digest = hashlib.sha256()
    named = sorted((name.lower(), value) for name, value in headers if name.lower() not in TRACE)
    fields = [destination, *(text for pair in named for text in pair)]
    for field in (*(text.encode("utf-8", "surrogateescape") for text in fields), body):
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.hexdigest()
