"""Laws of schedules: each tick once, whichever broker sees it, none while it is paused, and none after it was deleted."""

from collections import Counter
from collections.abc import Container

from ringback.broker.records import Message, Record, Schedule
from ringback.broker.stores.memory import Rows
from simulation.book import Book, clocks_ms
from simulation.known import Known
from simulation.verdict import hold
from simulation.virtual import now

MINUTE_MS = 60_000
"""All schedules of the simulation tick once a minute."""


class Timetable(Book):
    """Knows which ticks there were.

    Args:
        known: which schedules are deleted.
        seen: how often what has happened.
        again: messages that were sent again.
    """

    def __init__(self, known: Known, seen: Counter[str], again: Container[int]) -> None:
        self._known = known
        self._seen = seen
        self._again = again
        self._last: dict[tuple[str, int], int] = {}
        self._made: set[int] = set()
        self._told: set[int] = set()

    def put(self, before: Record | None, record: Record) -> None:
        if isinstance(record, Message) and record.schedule and record.seq not in self._again:
            self._made.add(record.seq)
        if not isinstance(record, Schedule):
            return
        hold(record.paused == (record.wake_at is None), f"{record.id} is paused and waits for a tick, or neither")
        if not isinstance(before, Schedule):
            hold(record.last_at is None, f"{record.id} ticks, and was deleted")
        elif record.last_at != before.last_at:
            self._ticked(before, record)

    def _ticked(self, before: Schedule, record: Schedule) -> None:
        name = record.id
        hold(name not in self._known.no_schedules, f"{name} ticks, and was deleted")
        hold(not before.paused, f"{name} ticks while it is paused")
        tick, written = before.wake_at or 0, now()
        hold(tick <= written + clocks_ms(), f"{name} ticks {tick - written} ms too early")
        place = (name, record.created_at)
        hold(tick > self._last.get(place, 0), f"{name} ticks again for a tick that it has ticked for")
        self._last[place] = tick
        hold((record.wake_at or 0) <= written + MINUTE_MS + clocks_ms(), f"{name} leaves a tick out")
        hold(bool(record.last_messages) != bool(record.error), f"{name} ticks and makes nothing of it")
        self._told.update(record.last_messages)
        self._seen["a schedule ticked" if record.last_messages else "a schedule told why it could not tick"] += 1
        self._seen["a schedule made up for what was missed"] += written - tick > 5_000

    def close(self) -> None:
        hold(self._made == self._told, "messages of schedules and their ticks do not belong together")
        self._made, self._told = set(), set()


def all_tick(rows: Rows) -> None:
    """What holds when brokers have been at work for a while: the last minute of each schedule was not left out."""
    for schedule in rows[Schedule].values():
        assert isinstance(schedule, Schedule)
        late = now() - (schedule.last_at or 0)
        hold(late <= MINUTE_MS + clocks_ms() + 5_000, f"{schedule.id} has not ticked for {late} ms")
