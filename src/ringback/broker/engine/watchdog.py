"""The watchdog: what makes no progress is named in the log with its cause, once."""

import logging
from collections.abc import Sequence
from functools import partial

from ringback.broker.engine.loop import Loop
from ringback.broker.ids import message_id
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.why import Stalled, stalled
from ringback.broker.rules.holding import Holding
from ringback.broker.stores.contract import Transaction
from ringback.clock import Instant

_log = logging.getLogger("ringback.watchdog")

_EVERY_MS = 5 * 60_000
_LONGEST_MS = 30 * 60_000
_MOST_TOLD = 20


class Watchdog:
    """Looks every five minutes for what has not moved for half an hour.

    Args:
        desk: where records are read.
        tenants: names of the accounts.
    """

    def __init__(self, desk: Desk, tenants: Sequence[str]) -> None:
        self._desk = desk
        self._tenants = tenants
        self._told: set[str] = set()
        self._due = 0
        self.loop = Loop("watchdog", self.tick, desk.clock)

    async def tick(self) -> Instant:
        """Name what has come to a stop since the last look."""
        now = self._desk.clock()
        if now < self._due:
            return self._due  # loops look more often than they are asked to
        self._due = now + _EVERY_MS
        seen: set[str] = set()
        holding = self._desk.holding()
        for tenant in self._tenants:
            found = await self._desk.read(partial(_look, tenant, holding, now))
            seen |= {_name(one) for one in found}
            self._tell([one for one in found if _name(one) not in self._told])
        self._told = seen
        return self._due

    def _tell(self, news: Sequence[Stalled]) -> None:
        for one in news[:_MOST_TOLD]:
            _log.warning("%s makes no progress: %s", _name(one), "; ".join(cause.text for cause in one.causes))
        if len(news) > _MOST_TOLD:
            _log.warning("%d more make no progress: GET /v2/stalled lists them", len(news) - _MOST_TOLD)


def _look(tenant: str, holding: Holding, now: Instant, tx: Transaction) -> list[Stalled]:
    return stalled(tx, tenant, _LONGEST_MS, now, holding)


def _name(one: Stalled) -> str:
    return one.run_id or message_id(one.message)
