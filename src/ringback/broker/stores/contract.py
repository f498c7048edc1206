"""What the broker asks of a store: a few verbs, the same for memory, SQLite and PostgreSQL.

A job is an ordinary function of a `Transaction`. The store runs jobs that arrive together in one transaction, makes
it durable once, and answers each of them after that (group commit). A job may run twice if the transaction it was in had to
be given up, so it has no effect but what it writes.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from ringback.broker.changes import Changes
from ringback.broker.records import Record, Stretch
from ringback.errors import RingbackError

R = TypeVar("R", bound=Record)
T = TypeVar("T")
Need = tuple[type[Record], tuple[Any, ...]]
"""A record that a job is going to ask for: its type and its key."""

Op = Literal["=", "!=", "in", ">=", ">", "<=", "<", "prefix", "contains", "null", "not null"]


class Where(Struct, frozen=True):
    """One condition on a column.

    `in` takes several values; `contains` too: it asks whether any of them is in a set-like column; `prefix` takes several
    beginnings. A condition whose `column` reads `message.url` looks at the message that the record is about.
    """

    column: str
    op: Op
    value: Any = None


class Query(Struct, frozen=True):
    """Which records of one type, in which order, and how many at most."""

    where: tuple[Where, ...] = ()
    order: tuple[str, ...] = ()
    descending: bool = False
    limit: int = 1000


class StoreUnavailable(RingbackError):
    """The store cannot write at this moment (disk full, database away); nothing of the job was kept.

    Args:
        text: what went wrong, for whoever runs the broker.
        cause: the same for whoever calls it, without names of files and hosts; empty if it cannot be told.
    """

    def __init__(self, text: str, cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause


class Transaction(Protocol):
    """Reads and writes inside one job; what was applied is seen by later reads."""

    def get(self, kind: type[R], *key: Any) -> R | None:
        """Return the record with this key, or None; nobody else changes it, or creates it, before this job ends."""

    def look(self, kind: type[R], *key: Any) -> R | None:
        """Return the record with this key as it stands, or None; others may change it meanwhile."""

    def load(self, needs: Iterable[Need]) -> None:
        """Get several records ready in one go: each `get` of them that follows costs nothing where going to the store is dear."""

    def find(self, kind: type[R], query: Query) -> list[R]:
        """Return the records that meet all conditions, at most `query.limit`."""

    def next_stretch(self, kind: type[Record], before: int, most: int) -> Stretch | None:
        """Return the next stretch of history to be noted; see `stores.stretches`. None as long as it is not full.

        Args:
            kind: of which records.
            before: places from here on may still be written to.
            most: how many records it holds.
        """

    def count(self, kind: type[Record], *where: Where) -> int:
        """Return how many records meet all conditions."""

    def claim(self, kind: type[R], query: Query, *, wait: bool = False) -> list[R]:
        """Like `find`, and nobody else gets the same records before this job ends.

        Those held by others are skipped, or waited for and seen as the others leave them.
        """

    def later(self, key: Hashable, job: Callable[[], None]) -> None:
        """Run a job at the end of this transaction, once for all that ask for the same key: together it costs less."""

    def apply(self, changes: Changes) -> None:
        """Write a rule's changes; what it hands over is passed on when they are durable."""


class Store(Protocol):
    """Where records live.

    Attributes:
        shared: several brokers may work on it at once.
    """

    shared: bool

    async def open(self) -> None:
        """Make ready: create or migrate the schema, open connections."""

    async def close(self) -> None:
        """Finish what was accepted and close."""

    def write(
        self, job: Callable[[Transaction], T], needs: Sequence[Need] = (), *, apart: bool = False
    ) -> Awaitable[T]:
        """Run a job; the answer comes when everything it applied is durable.

        Args:
            job: what to do.
            needs: records it is going to get, as far as they are known before: a store that is far away fetches those of
                all jobs in one go, and always in the same order.
            apart: in a transaction of its own, where the store can do that: for what the broker does by itself, which must not
                wait for others, nor others for it.

        Raises:
            StoreUnavailable: nothing was kept.
            Exception: whatever the job raised; nothing was kept.
        """

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run a job that applies nothing, beside the writers."""

    def on_handed(self, take: Callable[[Sequence[Changes]], None]) -> None:
        """Call `take` with the changes of each durable transaction, before its jobs are answered.

        A shared store also calls it with what other brokers have changed of the kinds whose table says `told`.
        """

    def on_woken(self, wake: Callable[[], None]) -> None:
        """Call `wake` when another broker has work that it cannot take itself."""

    def wake_others(self) -> None:
        """Tell the other brokers on this store that something is due which this one has no room for."""
