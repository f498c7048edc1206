"""The writes of one transaction, gathered so that each table is written once, in one go."""

from collections.abc import Mapping
from typing import Any

from ringback.broker.changes import Changes
from ringback.broker.records import Facets, Record
from ringback.broker.stores.rows import CODECS, TABLES, Codec

Key = tuple[Any, ...]
_MOST_KNOWN = 100_000
NEVER = -1


class Known:
    """Facets of which a store knows that they are written; remembered when they are durable, for the day they are noted for."""

    def __init__(self) -> None:
        self._days: dict[int, int] = {}

    def __contains__(self, record: Record) -> bool:
        return isinstance(record, Facets) and self._days.get(record.id, NEVER) >= record.day

    def learn(self, noted: Mapping[int, int]) -> None:
        """Take up what has become durable: facets and their day, `NEVER` for those that are gone."""
        if len(self._days) > _MOST_KNOWN:
            self._days.clear()
        self._days.update(noted)


class Buffer:
    """Keeps the last word on each key until it is flushed; reads by key look here first.

    Args:
        known: facets that are durable, so that they are not written again with every message.
        codecs: turn records into rows.

    Attributes:
        pending: what was not flushed yet, None for what is to be removed.
        noted: facets among all that was added; see `Known.learn`.
    """

    def __init__(self, known: "Known", codecs: Mapping[type[Record], Codec] = CODECS) -> None:
        self._known = known
        self._codecs = codecs
        self.pending: dict[type[Record], dict[Key, Record | None]] = {kind: {} for kind in TABLES}
        self.noted: dict[int, int] = {}
        self.empty = True

    def add(self, changes: Changes) -> None:
        """Take up the changes of one rule: drops first, then puts."""
        pending = self.pending
        for record in changes.drop:
            kind = type(record)
            pending[kind][CODECS[kind].key(record)] = None
            if type(record) is Facets:
                self.noted[record.id] = NEVER
        for record in changes.put:
            kind = type(record)
            if type(record) is Facets:
                if record in self._known:
                    continue
                self.noted[record.id] = record.day
            pending[kind][CODECS[kind].key(record)] = record
        self.empty = False

    def take(self) -> list[tuple[type[Record], list[Key], list[tuple[Any, ...]]]]:
        """Return, for each table, the keys to remove and the rows to write, and forget them."""
        taken = []
        for kind, entries in self.pending.items():
            if entries:
                codec = self._codecs[kind]
                drops = [key for key, record in entries.items() if record is None]
                rows = [codec.row(record) for record in entries.values() if record is not None]
                taken.append((kind, drops, rows))
                if kind is Facets:
                    rows.sort()  # two brokers that write the same ones must not wait for each other
                self.pending[kind] = {}
        self.empty = True
        return taken
