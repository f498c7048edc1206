"""What a book is: it is told of each durable change, and keeps one subject's laws."""

from dataclasses import dataclass

from ringback.broker.records import Record

SKEW_MS = 3_000
"""By how much a broker's clock may be wrong, forth and back."""
CLOCKS_MS = SKEW_MS + 100
"""The same, with the time that it takes to write something down."""


@dataclass
class Late:
    """How old a transaction is when it becomes durable: the times that it writes are those of its decisions."""

    ms: int = 0


late = Late()


def clocks_ms() -> int:
    """Return how far a time that a broker wrote down may be from the true one, when it becomes durable."""
    return CLOCKS_MS + late.ms


class Book:
    """One subject; the durable records are those before the change."""

    def put(self, before: Record | None, record: Record) -> None:
        """A record was written in the place of another or of none."""

    def gone(self, record: Record) -> None:
        """A record was removed."""

    def missing(self, record: Record) -> None:
        """A record was to be removed that is not there."""

    def close(self) -> None:
        """The transaction ends here."""
