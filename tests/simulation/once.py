"""Laws of what is used once: a dead letter is taken by one, a wait is ended by one event or by its time, a step goes on once."""

from ringback.broker.ids import instant_of
from ringback.broker.records import DeadLetter, Message, Record, SavedEvent, Waiter
from ringback.broker.settings import Limits
from simulation.book import Book
from simulation.verdict import hold
from simulation.virtual import now


class Once(Book):
    """Sees who comes too late.

    Args:
        limits: how long dead letters are kept: two brokers may forget an old one at once.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steps: set[tuple[int, str]] = set()

    def put(self, before: Record | None, record: Record) -> None:
        if before is None and isinstance(record, Message) and record.kind == "step" and record.run is not None:
            step = (record.run.run, record.run.entry)
            hold(step not in self._steps, f"a run goes on twice after its step {record.run.entry}")
            self._steps.add(step)

    def missing(self, record: Record) -> None:
        if isinstance(record, DeadLetter):
            age = now() - instant_of(record.pos)
            hold(age > self._limits.dlq_retention_ms // 2, f"the dead letter of {record.message:x} is used twice")
        hold(not isinstance(record, Waiter | SavedEvent), f"{type(record).__name__} is used twice")
