"""The value of `Upstash-Flow-Control-Value`: `parallelism=5, rate=10, period=1m` (protocol 3.7)."""

from functools import lru_cache

from ringback.errors import Refused
from ringback.wire import duration
from ringback.wire.options import FlowControl

_LONGEST_PERIOD_S = 7 * 24 * 3600
_LONGEST_KEY = 255
_LARGEST = 1_000_000_000
_USUAL = 64
"""Characters of a value whose meaning is kept; longer ones must not fill the memory."""
_HEADER = "invalid header Upstash-Flow-Control-Value"


def parse(key: str, value: str) -> FlowControl:
    """Return the flow control of a message.

    Raises:
        Refused: 400 where key or value are not as the reference says.
    """
    check_key("header Upstash-Flow-Control-Key", key)
    return FlowControl(key, *(_known_limits(value) if len(value) <= _USUAL else _limits(value)))


def check_key(field: str, key: str) -> None:
    """Raise Refused with status 400 where no message can have a key."""
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isprintable():
        raise Refused(400, f"invalid {field}: expected 1 to 255 printable characters")


def _limits(value: str) -> tuple[int | None, int | None, int]:
    """Return parallelism, rate and period in seconds."""
    limits: dict[str, int] = {}
    for pair in value.split(","):
        if not pair.strip():
            continue
        name, separator, text = (part.strip() for part in pair.partition("="))
        if not separator:
            raise Refused(400, f"{_HEADER}: expected name=value pairs, found {pair.strip()!r}")
        _read(limits, name, text)
    if "parallelism" not in limits and "rate" not in limits:
        raise Refused(400, f"{_HEADER}: expected parallelism or rate, or both")
    return limits.get("parallelism"), limits.get("rate"), limits.get("period", 1)


_known_limits = lru_cache(maxsize=4096)(_limits)  # by the value alone, which many keys share


def _read(limits: dict[str, int], name: str, text: str) -> None:
    match name:
        case "parallelism" | "rate":
            limits[name] = _positive(name, text)
        case "ratePerSecond":
            limits["rate"], limits["period"] = _positive(name, text), 1
        case "period":
            limits["period"] = _period(text)
        case _:
            raise Refused(400, f"{_HEADER}: unknown name {name!r}, expected parallelism, rate or period")


def _positive(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _LARGEST):
        raise Refused(400, f"{_HEADER}: {name} must be a whole number of at least 1, not {text!r}")
    return int(text)


def _period(text: str) -> int:
    """A bare number is seconds."""
    bare = text.isascii() and text.isdigit() and len(text) <= 10
    seconds = int(text) if bare else duration.parse(text) // 1000
    if not 1 <= seconds <= _LONGEST_PERIOD_S:
        raise Refused(400, f"{_HEADER}: period must be between 1 second and 1 week, not {text!r}")
    return seconds
