"""The desk where every decision is made: a job with the time, fresh ids and this node's room, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ringback.broker.ids import Ids
from ringback.broker.operations.due import newest_number
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Store, Transaction
from ringback.clock import Clock

T = TypeVar("T")


class Desk:
    """Gives jobs their `Moment`.

    Args:
        store: where records live.
        ids: makes fresh numbers.
        clock: tells the time.
        room: how many more attempts this node could start now.
    """

    def __init__(self, store: Store, ids: Ids, clock: Clock, room: Callable[[], int]) -> None:
        self.store = store
        self.ids = ids
        self.clock = clock
        self.node = 0
        self._room = room

    async def open(self) -> None:
        """Take a number for this node, above all that were ever given."""
        self.ids.go_past(await self.store.read(newest_number))
        self.node = self.ids.new()

    def moment(self) -> Moment:
        """Return the circumstances of a decision made now."""
        return Moment(self.clock(), self.ids.new, self.node if self._room() > 0 else None)

    def write(self, job: Callable[[Transaction, Moment], T]) -> Awaitable[T]:
        """Run a job that may write; see `Store.write`."""
        return self.store.write(lambda tx: job(tx, self.moment()))

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run a job that only reads; see `Store.read`."""
        return self.store.read(job)
