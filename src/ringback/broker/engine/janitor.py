"""Retention: forgets old history in small steps, and notes what the rest is about."""

import asyncio
from collections.abc import Callable

from ringback.broker.changes import Changes
from ringback.broker.engine.loop import Loop
from ringback.broker.operations import retention, stretches
from ringback.broker.operations.desk import Desk
from ringback.broker.records import Record
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.clock import Instant

_AT_ONCE = 500
_BREATH = 0.02
_EVERY_MS = 60_000


class Janitor:
    """Sweeps once a minute, in steps of a few hundred rows.

    Args:
        desk: where decisions are made.
        limits: how long things are kept.
    """

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits
        self.loop = Loop("janitor", self.tick, desk.clock)

    async def tick(self) -> Instant:
        """Forget everything that is past its time."""
        await self._sweep_history()
        for kind in stretches.KINDS:
            await self._note_stretches(kind)
        await self._sweep(retention.forget_messages)
        await self._sweep(retention.forget_runs)
        await self._sweep(retention.forget_facets)
        await self._desk.write(retention.forget_lanes, apart=True)
        return self._desk.clock() + _EVERY_MS

    async def _sweep_history(self) -> None:
        def job(tx: Transaction, moment: Moment) -> int:
            return retention.forget_history(tx, _AT_ONCE, self._limits, moment)

        while await self._desk.write(job, apart=True):  # noqa: ASYNC110 - gives way to others, waits for nothing
            await asyncio.sleep(_BREATH)

    async def _note_stretches(self, kind: type[Record]) -> None:
        while stretch := await self._desk.read(lambda tx: stretches.next_one(tx, kind, self._desk.clock())):
            noted = Changes(put=[stretch])
            await self._desk.write(lambda tx, _, noted=noted: tx.apply(noted), apart=True)  # type: ignore[misc]
            await asyncio.sleep(_BREATH)

    async def _sweep(self, forget: Callable[[Transaction, int, int, Limits, Moment], int]) -> None:
        """Walk through what is old, a few hundred at a time."""
        swept, before = -1, -2

        def job(tx: Transaction, moment: Moment) -> int:
            return forget(tx, swept, _AT_ONCE, self._limits, moment)

        while swept != before:
            before, swept = swept, await self._desk.write(job, apart=True)
            await asyncio.sleep(_BREATH)
