"""A clock that was set back, while the broker ran or was down, is noticed and followed; see `operations.set_back`."""

import logging

from ringback.broker.operations.desk import Desk
from ringback.broker.operations.set_back import Sight, follow_more, note_sight
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
        self._is_behind = True  # a former process may have left something to be done

    def remember(self, seen: Sight) -> None:
        """What the clock said before this process began; it may have been set back since."""
        self._seen = seen

    async def tick(self) -> None:
        """Look at the clock; what is still to be brought forward for one time that it was set back comes before the next.

        Raises:
            StoreUnavailable: the next turn goes on where this one ended.
        """
        if self._desk.store.shared:
            return
        await self._catch_up()
        before, seen = self._seen, Sight(self._desk.clock(), self._desk.ids.new())
        is_back = before.at - seen.at >= _SET_BACK
        if is_back or not self._noted:
            await self._note(seen, before if is_back else None)
        self._seen = seen
        await self._catch_up()

    async def _note(self, seen: Sight, before: Sight | None) -> None:
        """Write down what the clock says; what waits follows some at a time."""

        def job(tx: Transaction, _: Moment) -> None:
            note_sight(tx, self._desk.node, seen, before)

        if before is not None:
            by = (before.at - seen.at) // 1000
            _log.warning("the clock was set back by %s s: what waits is brought forward as much", by)
        await self._desk.write(job, apart=True)
        self._noted, self._is_behind = True, before is not None

    async def _catch_up(self) -> None:
        while self._is_behind:
            self._is_behind = await self._desk.write(
                lambda tx, moment: follow_more(tx, self._desk.node, _AT_ONCE, moment), apart=True
            )
