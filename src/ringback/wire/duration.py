"""Durations as the wire writes them: `10s`, `1d10h30m`, `1.5h`, `120ms` (protocol 3.1)."""

import re
from functools import lru_cache

from ringback.errors import Refused

_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "μs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 60e3,
    "h": 3600e3,
    "d": 86_400e3,
    "w": 604_800e3,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-zµμ]*)", re.ASCII | re.IGNORECASE)
_LONGEST_TEXT = 64
_LARGEST_MS = 10**15


@lru_cache(maxsize=1024)
def parse(text: str) -> int:
    """Return a duration in milliseconds, rounded down.

    Raises:
        Refused: 400, worded as the reference's service words it.
    """
    if text == "0":
        return 0
    if not text or len(text) > _LONGEST_TEXT:
        raise Refused(400, f'time: invalid duration "{text[:_LONGEST_TEXT]}"')
    total, end = 0.0, 0
    while end < len(text):
        part = _PART.match(text, end)
        if part is None:
            raise Refused(400, f'time: invalid duration "{text}"')
        number, unit = part.groups()
        if not unit:
            raise Refused(400, f'time: missing unit in duration "{text}"')
        if unit not in _UNIT_MS:
            raise Refused(400, f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _UNIT_MS[unit]
        end = part.end()
    if total > _LARGEST_MS:
        raise Refused(400, f'time: invalid duration "{text}": too long')
    return int(total + 1e-6)


def parse_field(field: str, text: str) -> int:
    """Return a duration in milliseconds, as `parse` does.

    Raises:
        Refused: 400, naming the field.
    """
    try:
        return parse(text)
    except Refused as error:
        raise Refused(error.status, f"invalid {field}: {error.text}") from error
