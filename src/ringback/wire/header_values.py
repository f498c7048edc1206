"""How the values of headers are read, each by its name (protocol 3)."""

import re
from collections.abc import Callable
from typing import Any

from ringback.errors import Refused
from ringback.wire import cron, duration, redaction, retry_delay
from ringback.wire.destination import check_url

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_LARGEST_INTEGER = 2**53


def listed(text: str) -> tuple[str, ...]:
    """Read what is separated by commas."""
    return tuple(part for part in (one.strip() for one in text.split(",")) if part)


def flag(name: str, text: str) -> bool:
    """Read a truth value.

    Raises:
        Refused: 400, naming the header.
    """
    lower = text.strip().lower()
    if lower in ("true", "1"):
        return True
    if lower in ("false", "0"):
        return False
    raise Refused(400, f"invalid header {name}: expected true or false, found {text!r}")


def integer(name: str, text: str) -> int:
    """Read a whole number that JavaScript holds exactly.

    Raises:
        Refused: 400, naming the header.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _LARGEST_INTEGER):
        raise Refused(400, f"invalid header {name}: expected a whole number, found {text!r}")
    return int(text)


def _duration(name: str, text: str) -> int:
    return duration.parse_field(f"header {name}", text.strip())


def _timeout(name: str, text: str) -> int | None:
    """A bare number of seconds is what `context.call` of the workflow SDKs sends (workflow protocol 2.5).

    Nothing answers within no time: 0 asks for the longest time there is, as if no time-out had been given.
    """
    return _duration(name, f"{text}s" if _SECONDS.fullmatch(text) else text) or None


def _unix_seconds(name: str, text: str) -> int:
    """Seconds since the epoch, a fraction allowed, as milliseconds."""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12) or not (fraction or "0").isdigit():
        raise Refused(400, f"invalid header {name}: expected seconds since the Unix epoch, found {text!r}")
    return int(whole) * 1000 + int(f"{fraction:0<3}"[:3])


def _method(name: str, text: str) -> str:
    if text.upper() not in _METHODS:
        raise Refused(400, f"invalid header {name}: expected GET, POST, PUT, PATCH or DELETE, found {text!r}")
    return text.upper()


def _deduplication_id(name: str, text: str) -> str:
    if ":" in text:
        raise Refused(400, "DeduplicationId cannot contain ':'")
    if len(text) > 255 or not text.isprintable():
        raise Refused(400, f"invalid header {name}: expected at most 255 printable characters")
    return text


def _expression(_: str, text: str) -> str:
    retry_delay.compile_expression(text)
    return text


def _cron(_: str, text: str) -> str:
    cron.parse(text)
    return text.strip()


def _plain(_: str, text: str) -> str:
    return text


_Reader = Callable[[dict[str, Any], str, str], None]


def _reader(option: str, header: str, read: Callable[[str, str], Any]) -> _Reader:
    def put(asked: dict[str, Any], value: str, prefix: str) -> None:
        asked[option] = read(f"{prefix}{header}", value)

    return put


READERS: dict[str, _Reader] = {  # by the name of a header in lower case, without `upstash-`
    header.lower(): _reader(option, header, read)
    for header, option, read in (
        ("Method", "method", _method),
        ("Delay", "delay_ms", _duration),
        ("Not-Before", "not_before", _unix_seconds),
        ("Retries", "retries", integer),
        ("Retry-Delay", "retry_delay", _expression),
        ("Timeout", "timeout_ms", _timeout),
        ("Callback", "callback", lambda name, text: check_url(f"header {name}", text)),
        ("Failure-Callback", "failure_callback", lambda name, text: check_url(f"header {name}", text)),
        ("Header-Forward", "header_forward", flag),
        ("Deduplication-Id", "deduplication_id", _deduplication_id),
        ("Content-Based-Deduplication", "content_based_deduplication", flag),
        ("Flow-Control-Key", "flow_key", _plain),
        ("Flow-Control-Value", "flow_value", _plain),
        ("Label", "labels", lambda _, text: listed(text)),
        ("Redact-Fields", "redact", lambda _, text: redaction.parse(text)),
        ("Cron", "cron", _cron),
        ("Schedule-Id", "schedule_id", _plain),
        ("Queue-Name", "queue_name", _plain),
    )
}
