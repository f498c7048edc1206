"""Identifiers: one growing number per thing, its text form on the wire, and back.

A number holds the millisecond of its making (42 bits), the node (6 bits) and a counter (15 bits), so that numbers grow
with time, are unique among nodes, and can be cut into time ranges.
"""

from collections.abc import Callable

from ringback.clock import Clock, Instant

NewId = Callable[[], int]

_EPOCH = 1_577_836_800_000  # 2020-01-01: 42 bits of milliseconds last until 2159
_SHIFT = 21
SLOTS = 64
"""How many nodes can make numbers side by side."""
_COUNTER = (1 << 15) - 1
_LARGEST = (1 << 63) - 1
"""No number is larger, and no store can be asked about one that is."""


class Ids:
    """Makes numbers for one node; the clock may stand still or step back, the numbers never do.

    Args:
        clock: tells the time.
        node: number of the node, 0 to 63.
    """

    def __init__(self, clock: Clock, node: int = 0) -> None:
        self._clock = clock
        self._node = node << 15
        self._last = 0
        self._count = 0

    def sit(self, slot: int) -> None:
        """Make numbers for another node from now on."""
        self._node = slot << 15

    def go_past(self, number: int) -> None:
        """Make only numbers above this one: a clock that was set back must not make a number twice."""
        self._last = max(self._last, (number >> _SHIFT) + 1)
        self._count = 0

    def new(self) -> int:
        """Return the next number."""
        at = self._clock() - _EPOCH
        if at > self._last:
            self._last, self._count = at, 0
        elif self._count == _COUNTER:
            self._last, self._count = self._last + 1, 0
        else:
            self._count += 1
        return self._last << _SHIFT | self._node | self._count


def slot_of(number: int) -> int:
    """Return the node that made a number."""
    return (number >> 15) & (SLOTS - 1)


def first_id_at(at: Instant) -> int:
    """Return the smallest number that can be made at the instant `at`, or the largest of all if that is too far ahead."""
    return min(max(0, at - _EPOCH) << _SHIFT, _LARGEST)


def instant_of(number: int) -> Instant:
    """Return the millisecond in which a number was made."""
    return (number >> _SHIFT) + _EPOCH


def message_id(number: int) -> str:
    """Return the wire form of a message's number."""
    return f"msg_{number:016x}"


def parse_message_id(text: str) -> int | None:
    """Return the number of a message id, or None if it cannot be one of ours."""
    return _parsed("msg_", text)


def bulk_action_id(number: int) -> str:
    """Return the wire form of a bulk action's number."""
    return f"ba_{number:016x}"


def parse_bulk_action_id(text: str) -> int | None:
    """Return the number of a bulk action's id, or None if it cannot be one of ours."""
    return _parsed("ba_", text)


def _parsed(prefix: str, text: str) -> int | None:
    if len(text) != len(prefix) + 16 or not text.startswith(prefix):
        return None
    try:
        number = int(text[len(prefix) :], 16)
    except ValueError:
        return None
    return number if 0 <= number <= _LARGEST else None


def position(number: int) -> str:
    """Return the wire form of a place in a log, `<unix ms>-<n>`; used for cursors and dead letters."""
    return f"{instant_of(number)}-{number & ((1 << _SHIFT) - 1)}"


def parse_position(text: str) -> int | None:
    """Return the number of a log position; a bare millisecond means the start of it. None if it is neither."""
    at, _, rest = text.partition("-")
    if not (at.isascii() and at.isdigit() and (not rest or (rest.isascii() and rest.isdigit()))):
        return None
    if len(at) > 15 or len(rest) > 8:
        return None
    return min(first_id_at(int(at)) + int(rest or 0), _LARGEST)
