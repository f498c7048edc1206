"""Laws of what is accepted together: a batch all or not at all, a message for each endpoint of a URL group."""

from collections import Counter
from collections.abc import Container

from ringback.broker.records import Message, Record, UrlGroup
from ringback.broker.stores.memory import Rows
from simulation.book import Book
from simulation.known import Known
from simulation.verdict import hold


class Together(Book):
    """Looks at what one transaction has brought.

    Args:
        rows: the durable records.
        known: what was published together.
        seen: how often what has happened.
        again: messages that were sent again.
    """

    def __init__(self, rows: Rows, known: Known, seen: Counter[str], again: Container[int]) -> None:
        self._rows = rows
        self._known = known
        self._seen = seen
        self._again = again
        self._bodies: set[bytes] = set()
        self._fanned: dict[tuple[bytes, str | None], Counter[str]] = {}
        self._wanted: dict[tuple[bytes, str | None], Counter[str]] = {}
        self._before: set[tuple[bytes, str | None]] = set()

    def put(self, before: Record | None, record: Record) -> None:
        if not isinstance(record, Message) or record.kind != "plain" or record.seq in self._again:
            return
        self._bodies.add(record.body)
        if record.group is None:
            return
        key = (record.body, record.schedule)
        if key not in self._wanted:
            group = self._rows[UrlGroup].get((record.tenant, record.group))
            assert isinstance(group, UrlGroup), f"{record.group} is known to nobody"
            self._wanted[key] = Counter(one.url for one in group.endpoints)
        self._fanned.setdefault(key, Counter())[record.url] += 1

    def close(self) -> None:
        if not self._bodies:
            return
        for body in self._bodies:
            hold(body not in self._known.refused, f"{body!r} was refused and is accepted")
            batch = self._known.batches.get(body, self._bodies)
            hold(batch <= self._bodies, f"{body!r} was accepted without the rest of its batch")
        for key, urls in self._fanned.items():
            hold(
                urls == self._wanted[key], f"{key[0]!r} went to {urls.total()} endpoints of {self._wanted[key].total()}"
            )
            hold(key[1] or key not in self._before, f"{key[0]!r} was accepted in two parts")
            self._before.add(key)
            self._seen["a message went to a URL group"] += 1
        self._bodies, self._fanned, self._wanted = set(), {}, {}
