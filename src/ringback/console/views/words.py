"""How times, durations, sizes and states read."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from ringback.client.insight import what_went_wrong

_STATES = {
    "CREATED": ("Accepted", "quiet"),
    "ACTIVE": ("In flight", "busy"),
    "RETRY": ("Retry planned", "warn"),
    "ERROR": ("Attempt failed", "warn"),
    "LOST": ("Outcome unknown", "warn"),
    "DELIVERED": ("Delivered", "good"),
    "FAILED": ("Failed", "bad"),
    "CANCEL_REQUESTED": ("Cancel asked", "quiet"),
    "CANCELED": ("Canceled", "quiet"),
    "RUN_STARTED": ("Running", "busy"),
    "RUN_SUCCESS": ("Succeeded", "good"),
    "RUN_FAILED": ("Failed", "bad"),
    "RUN_CANCELED": ("Canceled", "quiet"),
    "STEP_PROGRESS": ("In progress", "busy"),
    "STEP_RETRY": ("Retrying", "warn"),
    "STEP_SUCCESS": ("Succeeded", "good"),
    "STEP_FAILED": ("Failed", "bad"),
    "STEP_CANCELED": ("Canceled", "quiet"),
    "CALLBACK_INPROGRESS": ("Running", "busy"),
    "CALLBACK_SUCCESS": ("Succeeded", "good"),
    "CALLBACK_FAIL": ("Failed", "bad"),
    "CALLBACK_CANCELED": ("Canceled", "quiet"),
    "IN_PROGRESS": ("In progress", "busy"),
    "SUCCESS": ("Delivered", "good"),
    "FAIL": ("Failed", "bad"),
}
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def state(name: str) -> str:
    """Return a state as people say it."""
    return _STATES.get(name, (name.replace("_", " ").capitalize(), ""))[0]


def tone(name: str) -> str:
    """Return how a state is coloured: good, bad, warn, busy or quiet."""
    return _STATES.get(name, ("", "quiet"))[1]


def iso(at: int | float) -> str:
    """Return an instant as machines read it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: int | float) -> str:
    """Return an instant as people read it; the page's script puts it into local time."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(ms: int | float | None) -> str:
    """Return a duration in its two largest units: `250 ms`, `1.5 s`, `3 min 20 s`, `2 d 4 h`."""
    if ms is None:
        return "\u2013"
    if ms < 1000:
        return f"{round(ms)} ms"
    if ms < 10_000:
        return f"{ms / 1000:.2f}".rstrip("0").rstrip(".") + " s"
    parts: list[str] = []
    left = round(ms / 1000) * 1000
    for unit, name in _UNITS:
        if left >= unit and len(parts) < 2:
            parts.append(f"{int(left // unit)} {name}")
        elif parts:
            break
        left %= unit
    return " ".join(parts)


def size(count_: int) -> str:
    """Return a number of bytes."""
    amount = float(count_)
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def count(number: int | float | None) -> str:
    """Return a number with a thin space between its thousands, shortened from ten million on; dots for one not known yet."""
    if number is None:
        return "\u2026"
    if number >= 10_000_000:
        return f"{number / 1_000_000:.1f} M"
    return f"{number:,.0f}".replace(",", "\u202f")


def why(letter: dict[str, Any]) -> str:
    """Return why what is in a dead letter failed, in few words."""
    return what_went_wrong({**letter, "responseBody": body_of(letter, "responseBody")})


def body_of(shape: dict[str, Any], name: str, *, encoded: bool = False) -> str | None:
    """Return a body as text, whether it stands as text or as base64; None where there is none.

    Args:
        shape: an answer of the API.
        name: the field.
        encoded: it is always base64 there (events).
    """
    text = shape.get(name)
    if text is None:
        text, encoded = shape.get(f"{name}Base64"), True
    if text is None or not encoded or text.startswith("REDACTED:"):
        return None if text is None else str(text)
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return str(text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"{size(len(raw))} that are not text"


def pretty(text: str | None) -> str:
    """Return JSON with one value a line; other text as it is."""
    if not text:
        return ""
    stripped = text.lstrip()
    if not stripped.startswith(("{", "[")) or len(text) > 500_000:
        return text
    try:
        value = json.loads(text)
        return _failure(value) or json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _failure(value: Any) -> str | None:
    """An error with a stack, as workflow endpoints answer it, reads best line by line."""
    if not isinstance(value, dict) or not isinstance(value.get("stack"), str) or not value["stack"]:
        return None
    return f"{value.get('error', 'Error')}: {value.get('message', '')}\n\n{value['stack']}"
