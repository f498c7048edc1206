"""What an account does and has: counts by the minute, and how much there is now."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from ringback.broker.operations.desk import Desk
from ringback.broker.records import DeadLetter, Delivery, MinuteCounts
from ringback.broker.rules.counting import MINUTE_MS, summed
from ringback.broker.stores.contract import Query, StoreUnavailable, Transaction, Where
from ringback.clock import elapsed
from ringback.joining import result_of

LONGEST = 48 * 60
"""Minutes that counts are kept."""
_NODES = 64
_PATIENCE_S = 0.03
"""How long a count is waited for by who can do without it."""


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is.

    Attributes:
        pending: messages that have not ended.
        in_flight: those of them that are being attempted.
        dead: dead letters.
    """

    pending: int
    in_flight: int
    dead: int


def minutes_of(tx: Transaction, tenant: str, minutes: int, now: int) -> list[MinuteCounts]:
    """Return the counts of the last `minutes` minutes, oldest first; minutes in which nothing happened are left out."""
    since = now // MINUTE_MS - minutes + 1
    where = (Where("tenant", "=", tenant), Where("minute", ">=", since))
    return summed(tx.find(MinuteCounts, Query(where, order=("minute",), limit=minutes * _NODES)))


def level_of(tx: Transaction, tenant: str) -> Level:
    """Count what there is; takes the longer, the more there is."""
    mine = Where("tenant", "=", tenant)
    return Level(
        tx.count(Delivery, mine), tx.count(Delivery, Where("lease", "not null"), mine), tx.count(DeadLetter, mine)
    )


class Levels:
    """Levels that are counted anew only after a pause fifty times as long as the counting took.

    Counting millions takes longer than anybody wants to wait: who asks is told what was counted before, while it is counted anew.

    Args:
        desk: where they are counted.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[str, tuple[float, Level]] = {}
        self._counting: dict[str, asyncio.Task[Level]] = {}

    async def get(self, tenant: str) -> Level:
        """Return how much an account has, perhaps as it was a moment ago.

        Raises:
            StoreUnavailable: it was never counted, and cannot be.
        """
        known = await self.soon(tenant)
        return await result_of(self._counting_of(tenant)) if known is None else known

    async def soon(self, tenant: str) -> Level | None:
        """Return how much an account has, without waiting for long: None where it was never counted."""
        known = self._known.get(tenant)
        if known is not None and elapsed() < known[0]:
            return known[1]
        counting = self._counting_of(tenant)
        done, _ = await asyncio.wait({counting}, timeout=_PATIENCE_S)
        if done and counting.exception() is None:
            return counting.result()
        return known[1] if known else None

    async def prepare(self, tenants: Iterable[str]) -> None:
        """Count for these accounts, one after the other, so that nobody has to wait for it."""
        for tenant in tenants:
            with suppress(StoreUnavailable):
                await self.get(tenant)

    def _counting_of(self, tenant: str) -> asyncio.Task[Level]:
        counting = self._counting.get(tenant)
        if counting is None:
            counting = self._counting[tenant] = asyncio.get_running_loop().create_task(self._count(tenant))
            counting.add_done_callback(lambda done: self._end(tenant, done))
        return counting

    async def _count(self, tenant: str) -> Level:
        begun = elapsed()
        level = await self._desk.read(lambda tx: level_of(tx, tenant))
        self._known[tenant] = (elapsed() + 50 * (elapsed() - begun), level)
        return level

    def _end(self, tenant: str, counted: "asyncio.Task[Level]") -> None:
        self._counting.pop(tenant, None)
        if not counted.cancelled():
            counted.exception()  # whoever waits for it is told; nobody may
