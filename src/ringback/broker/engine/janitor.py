"""Retention: forgets old history in small steps."""

import asyncio
from collections.abc import Callable

from ringback.broker.engine.loop import Loop
from ringback.broker.operations import retention
from ringback.broker.operations.desk import Desk
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

    async def _sweep(self, forget: Callable[[Transaction, int, int, Limits, Moment], int]) -> None:
        """Walk through what is old, a few hundred at a time."""
        swept, before = -1, -2

        def job(tx: Transaction, moment: Moment) -> int:
            return forget(tx, swept, _AT_ONCE, self._limits, moment)

        while swept != before:
            before, swept = swept, await self._desk.write(job, apart=True)
            await asyncio.sleep(_BREATH)
