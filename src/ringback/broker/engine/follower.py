"""A clock that was set back, while the broker ran or was down, is noticed and followed; see `operations.set_back`."""

import logging
from collections.abc import Callable
from functools import partial

from ringback.broker.operations.desk import Desk
from ringback.broker.operations.set_back import Sight, follow, follow_deliveries, note_sight
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction

_log = logging.getLogger("ringback.engine")

_AT_ONCE = 256
_SET_BACK = 5_000
"""Milliseconds by which a clock is set back that are not worth to be followed."""


class Follower:
    """Brings forward what waits, as far as the clock was set back.

    Where others write too, their clocks may have been right all the time, and what waits with them: there it does nothing.

    Args:
        desk: where decisions are made.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen = Sight(0, 0)
        self._noted = False
        self._step: Callable[..., int | None] | None = None
        self._after: int | None = None

    def remember(self, seen: Sight) -> None:
        """What the clock said before this process began; it may have been set back since."""
        self._seen = seen

    async def tick(self) -> None:
        """Look at the clock.

        Raises:
            StoreUnavailable: the next turn goes on where this one ended.
        """
        if self._desk.store.shared:
            return
        before, seen = self._seen, Sight(self._desk.clock(), self._desk.ids.new())
        by = before.at - seen.at
        if by >= _SET_BACK or not self._noted:
            await self._note(before, seen, by)
        self._seen = seen
        while self._step is not None and self._after is not None:
            self._after = await self._desk.write(partial(self._step, after=self._after), apart=True)

    async def _note(self, before: Sight, seen: Sight, by: int) -> None:
        """Write down what the clock says, and bring forward what there is little of; deliveries follow some at a time."""

        def job(tx: Transaction, moment: Moment) -> None:
            note_sight(tx, self._desk.node, seen)
            if by >= _SET_BACK:
                follow(tx, by, moment)

        if by >= _SET_BACK:
            _log.warning("the clock was set back by %s s: what waits is brought forward as much", by // 1000)
        await self._desk.write(job, apart=True)
        self._noted = True
        if by >= _SET_BACK:
            self._step = partial(follow_deliveries, by=by, upto=before.number, most=_AT_ONCE)
            self._after = 0
