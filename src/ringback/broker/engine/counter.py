"""Counts what happens, in memory, and writes the counts down every few seconds."""

from ringback.broker.changes import Changes
from ringback.broker.engine.loop import Loop
from ringback.broker.operations.desk import Desk
from ringback.broker.records import Event
from ringback.broker.rules.counting import MINUTE_MS, Tally
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.clock import Instant

_EVERY_MS = 1000


class Counter:
    """Keeps the counts of this minute and the last.

    Args:
        desk: where they are written down.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tallies: dict[tuple[str, int], Tally] = {}
        self._tally = Tally()
        self._tenant, self._from, self._until = "", 0, 0
        self._changed = False
        self.loop = Loop("counter", self.tick, desk.clock)

    def note(self, event: Event, took: int | None) -> None:
        """Count an event that has become durable; an attempt's outcome with the milliseconds it took."""
        if event.tenant != self._tenant or not self._from <= event.at < self._until:
            self._turn_to(event)
        self._tally.add(event.state, took)
        if not self._changed:
            self._changed = True
            self.loop.nudge(self._desk.clock() + _EVERY_MS)

    def _turn_to(self, event: Event) -> None:
        """Count for another account or minute; the same ones come many times in a row."""
        minute = event.at // MINUTE_MS
        self._tenant, self._from, self._until = event.tenant, minute * MINUTE_MS, (minute + 1) * MINUTE_MS
        self._tally = self._tallies.setdefault((event.tenant, minute), Tally())

    async def tick(self) -> Instant | None:
        """Write the counts down if there is anything new."""
        if self._changed:
            self._changed = False
            node = self._desk.node.number
            records = [tally.record(tenant, minute, node) for (tenant, minute), tally in self._tallies.items()]

            def job(tx: Transaction, _: Moment) -> None:
                tx.apply(Changes(put=list(records)))

            await self._desk.write(job, apart=True)
            self._forget()
        return None

    def _forget(self) -> None:
        last = self._desk.clock() // MINUTE_MS - 1
        self._tallies = {key: tally for key, tally in self._tallies.items() if key[1] >= last}
        self._until = 0
