"""The writes of one transaction, gathered so that each table is written once, in one go."""

from typing import Any

from ringback.broker.changes import Changes
from ringback.broker.records import Record
from ringback.broker.stores.rows import CODECS, TABLES

Key = tuple[Any, ...]


class Buffer:
    """Keeps the last word on each key until it is flushed; reads by key look here first."""

    def __init__(self) -> None:
        self.pending: dict[type[Record], dict[Key, Record | None]] = {kind: {} for kind in TABLES}
        self.empty = True

    def add(self, changes: Changes) -> None:
        """Take up the changes of one rule: drops first, then puts."""
        pending = self.pending
        for record in changes.drop:
            kind = type(record)
            pending[kind][CODECS[kind].key(record)] = None
        for record in changes.put:
            kind = type(record)
            pending[kind][CODECS[kind].key(record)] = record
        self.empty = False

    def take(self) -> list[tuple[type[Record], list[Key], list[tuple[Any, ...]]]]:
        """Return, for each table, the keys to remove and the rows to write, and forget them."""
        taken = []
        for kind, entries in self.pending.items():
            if entries:
                codec = CODECS[kind]
                drops = [key for key, record in entries.items() if record is None]
                rows = [codec.row(record) for record in entries.values() if record is not None]
                taken.append((kind, drops, rows))
                self.pending[kind] = {}
        self.empty = True
        return taken
