"""Laws of windows of time: one message for each deduplication id, so many starts in each period of a flow-control key."""

from collections import Counter

from ringback.broker.records import Dedup, Lane, Message, Record
from simulation.book import Book, clocks_ms
from simulation.verdict import hold
from simulation.virtual import now

WINDOW_MS = 30_000
"""How long a deduplication id is taken."""


class Windows(Book):
    """Counts what happens within each of them.

    Args:
        seen: how often what has happened.
    """

    def __init__(self, seen: Counter[str]) -> None:
        self._seen = seen
        self._new: set[int] = set()
        self._named: set[int] = set()
        self._starts: Counter[tuple[str, str]] = Counter()
        self._rated: dict[tuple[str, str], Lane] = {}

    def put(self, before: Record | None, record: Record) -> None:
        if isinstance(record, Message):
            self._new.add(record.seq)
        elif isinstance(record, Dedup):
            assert before is None or isinstance(before, Dedup)
            self._taken(before, record)
        elif isinstance(record, Lane) and record.rate is not None:
            assert before is None or isinstance(before, Lane)
            self._begun(before, record)

    def gone(self, record: Record) -> None:
        if isinstance(record, Dedup):
            hold(record.expires_at <= now() + clocks_ms(), f"the id {record.id} was set free too early")
        elif isinstance(record, Lane):
            self._rated.pop((record.tenant, record.name), None)
            self._starts.pop((record.tenant, record.name), None)

    def started(self, message: Message) -> None:
        """An attempt of a message under a key was begun."""
        if message.flow is not None and message.flow.rate is not None:
            self._starts[message.tenant, message.flow.key] += 1

    def close(self) -> None:
        hold(self._named <= self._new, "a deduplication id was taken for a message that nobody has")
        for key, lane in self._rated.items():
            starts = self._starts[key]
            hold(
                starts <= (lane.rate or 0), f"{starts} messages of {key[1]} were begun in a period, at most {lane.rate}"
            )
            hold(starts == lane.rate_count, f"{key[1]} counts {lane.rate_count} starts, there were {starts}")
            self._seen["a rate was used up"] += starts == lane.rate
        self._new, self._named, self._rated = set(), set(), {}

    def _taken(self, before: Dedup | None, record: Dedup) -> None:
        if before is not None and before.message == record.message:
            return  # brought forward with a clock that was set back
        if before is not None:
            left = before.expires_at - now()
            hold(left <= clocks_ms(), f"the id {record.id} was taken again {left} ms before it was free")
            self._seen["a deduplication id was free again"] += 1
        off = abs(record.expires_at - WINDOW_MS - now())
        hold(off <= clocks_ms(), f"the id {record.id} is not taken for its window")
        self._named.add(record.message)

    def _begun(self, before: Lane | None, record: Lane) -> None:
        key = (record.tenant, record.name)
        self._rated[key] = record
        if before is None or record.period_at == before.period_at:
            return
        hold(record.period_at <= now() + clocks_ms(), f"the period of {record.name} begins in the future")
        if record.period_at < before.period_at:
            hold(record.rate_count == before.rate_count, f"a period of {record.name} begins before the last one")
            return  # brought forward with a clock that was set back
        over = before.period_at + before.period * 1000 <= record.period_at
        hold(over, f"a period of {record.name} begins before the last one is over")
        self._starts[key] = 0
