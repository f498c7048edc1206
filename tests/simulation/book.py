"""What a book is: it is told of each durable change, and keeps one subject's laws."""

from ringback.broker.records import Record

SKEW_MS = 3_000
"""By how much a broker's clock may be wrong, forth and back."""
CLOCKS_MS = SKEW_MS + 100
"""How far a time that a broker wrote down may be from the true one, when it becomes durable."""


class Book:
    """One subject; the durable records are those before the change."""

    def put(self, before: Record | None, record: Record) -> None:
        """A record was written in the place of another or of none."""

    def gone(self, record: Record) -> None:
        """A record was removed."""

    def close(self) -> None:
        """The transaction ends here."""
