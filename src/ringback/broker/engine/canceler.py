"""What is ended in bulk is carried on in small steps until nothing is left, also what a broker that has died had begun."""

from collections import Counter
from functools import partial

from ringback.broker.engine.loop import Loop
from ringback.broker.operations import bulk, removal
from ringback.broker.operations.desk import Desk
from ringback.broker.records import BulkAction, BulkCancel, Removal
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant, elapsed

_AT_ONCE = 100


class Canceler:
    """Goes through all bulk cancels and removals that are under way in turns, so that a large one keeps no small one waiting.

    Args:
        desk: where decisions are made.
        limits: quotas for what follows from the end of a run.
    """

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits
        self._attended: Counter[int] = Counter()
        self.loop = Loop("canceler", self.tick, desk.clock)

    def go(self) -> None:
        """Carry on what nobody waits for; without this it is found within half a minute."""
        self.loop.nudge()

    async def finish(self, pos: int, seconds: float) -> BulkAction | Removal | None:
        """Carry one on until it is finished; None if that is not done in time: it goes on by itself then."""
        self._attended[pos] += 1
        end = elapsed() + seconds
        try:
            while elapsed() < end:
                under_way, finished = await self._desk.read(partial(_look, pos))
                if under_way is None:
                    return finished
                await self._step(under_way)
            return None
        finally:
            self._attended[pos] -= 1
            if not self._attended[pos]:
                del self._attended[pos]
                self.loop.nudge()

    async def tick(self) -> Instant | None:
        """Take one step of each that no request attends to."""
        for one in await self._desk.read(_unfinished):
            if one.pos not in self._attended:
                await self._step(one)
        left = await self._desk.read(_unfinished)
        return self._desk.clock() if any(one.pos not in self._attended for one in left) else None

    async def _step(self, one: BulkCancel | Removal) -> None:
        if isinstance(one, Removal):
            numbers = await self._desk.read(lambda tx: removal.next_of(tx, one))
            limits = self._limits
            await self._desk.write_anyhow(
                lambda tx, moment: removal.carry_on(tx, one, numbers, limits, moment), apart=True
            )
            return

        def look(tx: Transaction) -> list[int]:
            return bulk.next_of(tx, one.tenant, one.chosen, one.upto, bulk.AT_ONCE)

        numbers = await self._desk.read(look)
        await self._desk.write_anyhow(lambda tx, moment: bulk.carry_on(tx, one, numbers, moment), apart=True)


def _look(pos: int, tx: Transaction) -> tuple[BulkCancel | Removal | None, BulkAction | Removal | None]:
    """Return what is under way, or else what came of it."""
    found = tx.get(Removal, pos)
    if found is not None:
        return (found, None) if found.open else (None, found)
    cancel = tx.get(BulkCancel, pos)
    return cancel, None if cancel else tx.get(BulkAction, pos)


def _unfinished(tx: Transaction) -> list[BulkCancel | Removal]:
    open_ones = Query((Where("open", "not null"),), order=("pos",), limit=_AT_ONCE)
    return [*tx.find(BulkCancel, Query(order=("pos",), limit=_AT_ONCE)), *tx.find(Removal, open_ones)]
