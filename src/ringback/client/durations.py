"""Durations and instants as people write them, and as the wire wants them."""

import math
import re
from datetime import datetime, timedelta

from ringback.errors import Refused
from ringback.wire.retry_delay import compile_expression

Duration = float | str | timedelta
"""Seconds, a text such as "10s", "5m" or "1d12h", or a timedelta."""

Moment = datetime | str | float
"""A datetime with a time zone, ISO 8601 text with one, or seconds since the epoch."""

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TEXT = re.compile(r"(?:\d+[smhdw])+")


def seconds(duration: Duration, what: str) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: negative, infinite or not readable; the text names `what`.
    """
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, str):
        if not _TEXT.fullmatch(duration):
            raise ValueError(f'{what} must be seconds, a timedelta or a text like "10s" or "1d12h", not {duration!r}')
        value = sum(int(number) * _UNIT_S[unit] for number, unit in re.findall(r"(\d+)([smhdw])", duration))
    else:
        value = duration
    try:
        finite = math.isfinite(value)
    except TypeError:
        raise ValueError(
            f'{what} must be seconds, a timedelta or a text like "10s" or "1d12h", not {duration!r}'
        ) from None
    if isinstance(value, bool) or not finite or value < 0:
        raise ValueError(f"{what} must not be negative or infinite, but is {duration!r}")
    return value


def wire_duration(duration: Duration, what: str) -> str:
    """Return a duration in whole seconds for a header, such as "90s"; a part of a second counts as a whole one."""
    return f"{math.ceil(seconds(duration, what))}s"


def delay_expression(delay: Duration, what: str) -> str:
    """Return a wait as `Upstash-Retry-Delay` has it: milliseconds, as an expression (protocol 3.5).

    Args:
        delay: a duration, or such an expression.
        what: names it in errors.

    Raises:
        ValueError: neither.
    """
    if not isinstance(delay, str) or _TEXT.fullmatch(delay):
        return str(math.ceil(seconds(delay, what) * 1000))
    try:
        compile_expression(delay)
    except Refused:
        raise ValueError(
            f'{what} must be a duration such as "10s", or an expression in milliseconds such as '
            f'"1000 * (1 + retried)", not {delay!r}'
        ) from None
    return delay


def unix_seconds(moment: Moment, what: str) -> int:
    """Return an instant in whole seconds since the epoch, rounded up.

    Raises:
        ValueError: not readable, or without a time zone.
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ValueError(f"{what} must be ISO 8601 text, not {moment!r}") from None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(
                f"{what} must have a time zone: {moment.isoformat()} means different instants at different places"
            )
        moment = moment.timestamp()
    if isinstance(moment, bool) or not math.isfinite(moment):
        raise ValueError(f"{what} must be an instant, not {moment!r}")
    return math.ceil(moment)
