"""When a destination asks to be tried again: `Retry-After` and its siblings (protocol 4.3, step 2)."""

from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire import duration

_HEADERS = ("retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_LONGEST_MS = 86_400_000


def delay_ms(headers: Iterable[tuple[str, str]], now: Instant) -> int | None:
    """Return how long the headers of a failed attempt ask to wait, in milliseconds; None if they do not say.

    The first of the four headers with a usable value of at most a day counts.
    """
    named = {name.lower(): value for name, value in reversed(list(headers))}
    for name in _HEADERS:
        value = named.get(name)
        asked = None if value is None else _value_ms(value.strip(), now)
        if asked is not None and asked <= _LONGEST_MS:
            return max(0, asked)
    return None


def _value_ms(text: str, now: Instant) -> int | None:
    """Read seconds, a duration such as `6m5s`, or an HTTP date."""
    if not text or len(text) > 64 or not text.isascii():
        return None
    if text[0].isdigit() and text.replace(".", "", 1).isdigit():
        return int(float(text) * 1000)
    if text[0].isdigit() or text[0] == ".":
        try:
            return duration.parse(text)
        except Refused:
            return None
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1000) - now
    except (ValueError, TypeError, OverflowError):
        return None
