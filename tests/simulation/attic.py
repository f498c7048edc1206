"""Laws of what is forgotten: only what is old, and nothing that has not ended."""

from collections import Counter

from ringback.broker.ids import instant_of
from ringback.broker.records import DeadLetter, Delivery, Event, Message, Record, Run
from ringback.broker.settings import Limits
from ringback.broker.stores.memory import Rows
from simulation.book import Book, clocks_ms
from simulation.verdict import hold
from simulation.virtual import now

SWEPT_MS = 65_000
"""After how long something that is old is gone at the latest, while a broker is at work."""


class Attic(Book):
    """Looks at each record that goes.

    Args:
        rows: the durable records.
        limits: how long what is kept.
        seen: how often what has happened.
    """

    def __init__(self, rows: Rows, limits: Limits, seen: Counter[str]) -> None:
        self._rows = rows
        self._limits = limits
        self._seen = seen

    def gone(self, record: Record) -> None:
        if isinstance(record, Event):
            self._is_old("an event", record.pos, self._limits.log_retention_ms)
        elif isinstance(record, Run):
            self._is_old("a run", record.seq, _longest(self._limits))
            hold(record.state != "RUN_STARTED", f"{record.run_id} was forgotten and has not ended")
            pending = any(one.run == record.seq for one in self._rows[Delivery].values())  # type: ignore[attr-defined]
            hold(not pending, f"{record.run_id} was forgotten and something of it is in flight")
        elif isinstance(record, Message):
            hold((record.seq,) not in self._rows[Delivery], f"{record.seq:x} was forgotten and has not ended")
            self._is_old("a message", record.seq, _longest(self._limits))
            letters = any(one.message == record.seq for one in self._rows[DeadLetter].values())  # type: ignore[attr-defined]
            hold(not letters, f"{record.seq:x} was forgotten and lies among the dead letters")

    def _is_old(self, what: str, number: int, kept_ms: int) -> None:
        age = now() - instant_of(number)
        hold(age >= kept_ms - clocks_ms(), f"{what} was forgotten after {age} ms")
        self._seen[f"{what} was forgotten"] += 1


def is_swept(rows: Rows, limits: Limits) -> None:
    """What holds when brokers have been at work for long enough: nothing is there that is too old."""
    for kind, kept_ms in (
        (Event, limits.log_retention_ms),
        (DeadLetter, limits.dlq_retention_ms),
        (Message, _longest(limits)),
    ):
        oldest = min((key[0] for key in rows[kind]), default=None)
        age = 0 if oldest is None else now() - instant_of(oldest)
        hold(age <= kept_ms + SWEPT_MS + clocks_ms(), f"a {kind.__name__} is {age} ms old and still there")


def _longest(limits: Limits) -> int:
    return max(limits.log_retention_ms, limits.dlq_retention_ms)
