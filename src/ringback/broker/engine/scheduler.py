"""Starting what becomes due: retries, delays, messages in lanes that have room again."""

from collections.abc import Sequence

from ringback.broker.changes import Changes
from ringback.broker.engine.dispatcher import Dispatcher
from ringback.broker.engine.loop import Loop
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.due import next_wake, open_lanes, recover, start_due
from ringback.broker.operations.runs.wait import time_out_waiters
from ringback.broker.operations.schedules import fire_due
from ringback.broker.records import Delivery, Lane, Progress, Schedule, Waiter
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.clock import Instant

_AT_ONCE = 256


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
        self.loop = Loop("scheduler", self.tick, desk.clock)
        dispatcher.on_room = self._room_again

    def see(self, applied: Sequence[Changes]) -> None:
        """Look through durable changes: hand over what was leased, note what is due before the next turn, and who is alive."""
        for changes in applied:
            for handed in changes.handed:
                self._dispatcher.submit(handed)
            for record in changes.put:
                if isinstance(record, Progress):
                    self._dispatcher.keep_waiting(record.message)
                elif isinstance(record, Delivery | Lane | Schedule | Waiter) and record.wake_at is not None:
                    self.loop.nudge(record.wake_at)

    async def recover(self) -> int:
        """Take back what former processes had in flight; return how many messages there were."""
        total = 0
        while found := await self._desk.write(lambda tx, moment: recover(tx, _AT_ONCE, moment, self._desk.node)):
            total += found
        return total

    async def tick(self) -> Instant | None:
        """Start what is due and fits; answer when the next thing is due."""
        most = min(_AT_ONCE, self._dispatcher.room())
        if most <= 0:
            self._behind = True
            return None

        def job(tx: Transaction, moment: Moment) -> tuple[int, Instant | None]:
            due = start_due(tx, most, moment) + open_lanes(tx, _AT_ONCE, moment)
            due += fire_due(tx, _AT_ONCE, self._limits, moment)
            due += time_out_waiters(tx, _AT_ONCE, self._limits, moment)
            return due, next_wake(tx)

        _, at = await self._desk.write(job)
        self._behind = at is not None and at <= self._desk.clock() and self._dispatcher.room() <= 0
        return None if self._behind else at

    def _room_again(self) -> None:
        if self._behind and self._dispatcher.room() > 0:
            self._behind = False
            self.loop.nudge()
