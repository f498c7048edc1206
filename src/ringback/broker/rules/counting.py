"""How what happens to messages is counted: by account and minute, from the events that were written."""

from bisect import bisect_left
from collections.abc import Iterable

from msgspec.structs import replace

from ringback.broker.records import MinuteCounts

BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000)
"""Upper bounds of the classes that attempts are sorted into by what they took; the last class has none."""
MINUTE_MS = 60_000
_FIELDS = {
    "CREATED": "accepted",
    "DELIVERED": "delivered",
    "FAILED": "failed",
    "CANCELED": "canceled",
    "ERROR": "errors",
    "RETRY": "retries",
}


class Tally:
    """Counts of one account in one minute; changes with every event."""

    __slots__ = ("attempt_ms", "attempts", "states")

    def __init__(self) -> None:
        self.states: dict[str, int] = {}
        self.attempt_ms = 0
        self.attempts = [0] * (len(BOUNDS_MS) + 1)

    def add(self, state: str, took: int | None) -> None:
        """Count an event by its state; an attempt's outcome with the milliseconds it took."""
        self.states[state] = self.states.get(state, 0) + 1
        if took is not None:
            self.attempt_ms += took
            self.attempts[bisect_left(BOUNDS_MS, took)] += 1

    def record(self, tenant: str, minute: int, node: int) -> MinuteCounts:
        """Return the counts as they are kept."""
        counted = {field: self.states.get(state, 0) for state, field in _FIELDS.items()}
        return MinuteCounts(tenant, minute, node, **counted, attempt_ms=self.attempt_ms, attempts=tuple(self.attempts))


def summed(records: Iterable[MinuteCounts]) -> list[MinuteCounts]:
    """Return the counts of all nodes together, minute by minute."""
    minutes: dict[int, MinuteCounts] = {}
    for one in records:
        known = minutes.get(one.minute)
        minutes[one.minute] = one if known is None else _plus(known, one)
    return [minutes[minute] for minute in sorted(minutes)]


def _plus(one: MinuteCounts, other: MinuteCounts) -> MinuteCounts:
    fields = (*_FIELDS.values(), "attempt_ms")
    sums = {name: getattr(one, name) + getattr(other, name) for name in fields}
    return replace(one, **sums, attempts=tuple(map(sum, zip(one.attempts, other.attempts, strict=True))))
