"""Starting what becomes due: retries, delays, messages in lanes that have room again."""

import logging

from ringback.broker.changes import Applied
from ringback.broker.engine.dispatcher import Dispatcher
from ringback.broker.engine.follower import Follower
from ringback.broker.engine.loop import LONGEST_SLEEP, Loop
from ringback.broker.engine.shortage import Shortage
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.due import next_wake, open_lanes, start_due
from ringback.broker.operations.nodes import recover
from ringback.broker.operations.one_by_one import Due, do, due, put_off
from ringback.broker.operations.runs.wait import time_out_waiters
from ringback.broker.operations.schedules import fire_due
from ringback.broker.records import Delivery, Lane, Progress, Schedule, Waiter
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS, Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import StoreUnavailable, Transaction
from ringback.clock import Instant

_log = logging.getLogger("ringback.engine")

_AT_ONCE = 256
_POLL = 1000
"""Milliseconds after which a store that others write to is looked at anyway."""
_LOOK = 5000
"""Milliseconds after which a store of one's own is looked at anyway: how soon a clock that was set is noticed."""
_PAUSE = 20
"""Milliseconds to wait where something is due that another node holds."""
_TIMED: tuple[type[Delivery | Lane | Schedule | Waiter], ...] = (Delivery, Lane, Schedule, Waiter)
"""Records with a `wake_at`."""


class Scheduler:
    """Wakes when the earliest thing in the store is due.

    Args:
        desk: where decisions are made.
        dispatcher: takes what is started; nothing is claimed that it has no room for.
        limits: what a message made by a schedule may ask for.
    """

    def __init__(self, desk: Desk, dispatcher: Dispatcher, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits
        self._dispatcher = dispatcher
        self._behind = False
        self._next: Instant | None = None
        self._shortage = Shortage(desk.holding)
        self._floor = self._full_look_at = 0
        self.follower = Follower(desk)
        self.loop = Loop("scheduler", self.tick, desk.clock, _POLL if desk.store.shared else _LOOK)
        dispatcher.on_room = self._room_again

    def see(self, applied: Applied) -> None:
        """Hand over what was leased, note what is due before the next turn, and whose step is alive."""
        lease = self._desk.lease()
        for handed in applied.handed:
            if handed.delivery.lease == lease:  # or a node wrote it that others have taken for dead meanwhile
                self._dispatcher.submit(handed)
        times = [one.wake_at for kind in _TIMED for one in applied.put(kind) if one.wake_at is not None]
        if times:
            soonest = min(times)
            self._note(soonest)
            self.loop.nudge(soonest)
        for progress in applied.put(Progress):
            self._dispatcher.keep_waiting(progress.message)
        self._pass_on(applied)

    def _pass_on(self, applied: Applied) -> None:
        """What is due and does not fit here may fit elsewhere."""
        if self._desk.store.shared and self._dispatcher.room() <= 0:
            now = self._desk.clock()
            if any(one.wake_at is not None and one.wake_at <= now for one in applied.put(Delivery)):
                self._desk.store.wake_others()

    async def recover(self) -> int:
        """Take back what former processes had in flight; return how many messages there were."""
        total = 0
        while found := await self._desk.write_anyhow(lambda tx, moment: recover(tx, _AT_ONCE, moment), apart=True):
            total += found
        return total

    async def tick(self) -> Instant | None:
        """Start what is due and fits; answer when the next thing is due."""
        await self.follower.tick()
        most = min(_AT_ONCE, self._dispatcher.room())
        if most <= 0:
            self._behind = True
            await self._tell_shortage()
            return None

        since = self._since()
        self._next = None

        def job(tx: Transaction, moment: Moment) -> tuple[int, Instant | None]:
            begun = start_due(tx, most, since, moment) + open_lanes(tx, _AT_ONCE, moment)
            begun += fire_due(tx, _AT_ONCE, self._limits, moment)
            begun += time_out_waiters(tx, _AT_ONCE, self._limits, moment)
            return begun, next_wake(tx, since)

        try:
            started, at = await self._desk.write(job, apart=True)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one thing that cannot be done must not hold up all others
            _log.exception("what is due cannot be begun together: it is begun one by one")
            return await self._one_by_one()
        self._looked(since, at, full=started >= most)
        self._note(at)
        self._behind = at is not None and at <= self._desk.clock() and self._dispatcher.room() <= 0
        if self._behind:
            await self._tell_shortage()
            return None
        now = self._desk.clock()
        held_by_others = self._desk.store.shared and not started and at is not None and at <= now
        return now + _PAUSE if held_by_others else at

    def _note(self, at: Instant | None) -> None:
        """Remember the earliest of what waits for its time."""
        if at is not None and (self._next is None or at < self._next):
            self._next = at

    async def _tell_shortage(self) -> None:
        """Say that what is due waits for room, unless other nodes have begun it meanwhile."""
        now = self._desk.clock()
        if self._desk.store.shared and self._shortage.is_news(self._next, now):
            since = self._since()
            self._next = await self._desk.read(lambda tx: next_wake(tx, since))
        self._shortage.tell(self._next, now)

    async def _one_by_one(self) -> Instant:
        """Begin what is due, but for what cannot be; answer when to look again: there may be more."""
        for one in await self._desk.read(lambda tx: due(tx, _AT_ONCE, self._desk.clock())):
            if one.kind is not Delivery or self._dispatcher.room() > 0:
                await self._begin(one)
        return self._desk.clock() + _POLL

    async def _begin(self, one: Due) -> None:
        """Begin one thing; of those in a lane's line, one after the other."""
        more = True
        for _ in range(_AT_ONCE):
            if not more:
                return
            try:
                more = await self._desk.write(lambda tx, moment: do(tx, one, self._limits, moment), apart=True)
            except StoreUnavailable:
                raise
            except Exception:  # noqa: BLE001 - whatever is wrong with it, the others must not wait for it
                _log.exception("%s %s cannot be begun: it is tried again in a minute", one.kind.__name__, one.key)
                more = await self._desk.write(lambda tx, moment: put_off(tx, one, moment), apart=True)

    def _since(self) -> Instant:
        """Return how far back to look: now and then at everything, else not much further than where the last look ended."""
        is_recent = 0 < self._full_look_at - self._desk.clock() <= LONGEST_SLEEP  # also if the clock was set back
        return self._floor if self._desk.store.shared and is_recent else 0

    def _looked(self, since: Instant, at: Instant | None, *, full: bool) -> None:
        now = self._desk.clock()
        if since == 0 and not full:
            self._full_look_at = now + LONGEST_SLEEP
        self._floor = max(0, (now if at is None else min(now, at)) - CLOCKS_DIFFER_MS)

    def _room_again(self) -> None:
        if self._behind and self._dispatcher.room() > 0:
            self._behind = False
            self.loop.nudge()
