"""Bulk cancels are carried on in small steps until nothing is left to cancel, also those of a broker that has died."""

from collections import Counter
from functools import partial

from ringback.broker.engine.loop import Loop
from ringback.broker.operations import bulk
from ringback.broker.operations.desk import Desk
from ringback.broker.records import BulkAction, BulkCancel
from ringback.broker.stores.contract import Query, Transaction
from ringback.clock import Instant, elapsed

_AT_ONCE = 100


class Canceler:
    """Goes through all cancels that are under way in turns, so that a large one keeps no small one waiting.

    Args:
        desk: where decisions are made.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._attended: Counter[int] = Counter()
        self.loop = Loop("canceler", self.tick, desk.clock)

    def go(self) -> None:
        """Carry on what nobody waits for; without this it is found within half a minute."""
        self.loop.nudge()

    async def finish(self, pos: int, seconds: float) -> BulkAction | None:
        """Carry a cancel on until it is finished; None if that is not done in time: it goes on by itself then."""
        self._attended[pos] += 1
        end = elapsed() + seconds
        try:
            while elapsed() < end:
                cancel, action = await self._desk.read(partial(_look, pos))
                if cancel is None:
                    return action
                await self._step(cancel)
            return None
        finally:
            self._attended[pos] -= 1
            if not self._attended[pos]:
                del self._attended[pos]
                self.loop.nudge()

    async def tick(self) -> Instant | None:
        """Take one step of each cancel that no request attends to."""
        for cancel in await self._desk.read(_unfinished):
            if cancel.pos not in self._attended:
                await self._step(cancel)
        left = await self._desk.read(_unfinished)
        return self._desk.clock() if any(cancel.pos not in self._attended for cancel in left) else None

    async def _step(self, cancel: BulkCancel) -> None:
        def look(tx: Transaction) -> list[int]:
            return bulk.next_of(tx, cancel.tenant, cancel.chosen, cancel.upto, bulk.AT_ONCE)

        numbers = await self._desk.read(look)
        await self._desk.write(lambda tx, moment: bulk.carry_on(tx, cancel, numbers, moment), apart=True)


def _look(pos: int, tx: Transaction) -> tuple[BulkCancel | None, BulkAction | None]:
    cancel = tx.get(BulkCancel, pos)
    return cancel, None if cancel else tx.get(BulkAction, pos)


def _unfinished(tx: Transaction) -> list[BulkCancel]:
    return tx.find(BulkCancel, Query(order=("pos",), limit=_AT_ONCE))
