"""One transaction on SQLite, as jobs see it."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import apsw

from ringback.broker.changes import Changes
from ringback.broker.records import Event, Record, Run, Stretch
from ringback.broker.stores import pages, sql
from ringback.broker.stores.buffer import Buffer, Known
from ringback.broker.stores.contract import Need, Query, Where
from ringback.broker.stores.deferred import DeferredIndex, of_sort, sort_asked
from ringback.broker.stores.later import Later
from ringback.broker.stores.recent import LARGEST, Recent, Written, nothing_written
from ringback.broker.stores.rows import TABLES, Codec
from ringback.broker.stores.stretches import next_stretch
from ringback.broker.stores.together import Put

R = TypeVar("R", bound=Record)

_GET = {kind: sql.get_statement(table) for kind, table in TABLES.items()}
_PUT = {kind: Put(partial(sql.put_statement, table)) for kind, table in TABLES.items()}
_DROP = {kind: sql.drop_statement(table) for kind, table in TABLES.items()}


class SqliteTransaction:
    """One transaction; writes are gathered, and flushed before a read that could miss them.

    Args:
        connection: within a transaction.
        known: facets that need not be written again.
        codecs: turn records into rows.
        recent: records as they stand; None where they may have changed since this transaction began.
        index: of events, written with this transaction; None where it only reads.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        known: Known,
        codecs: Mapping[type[Record], Codec],
        recent: Recent | None = None,
        index: DeferredIndex | None = None,
    ) -> None:
        self._connection = connection
        self._index = index
        self._codecs = codecs
        self._buffer = Buffer(known, codecs)
        self._recent: Written = recent.records if recent else {}
        self.noted = self._buffer.noted
        self.written: Written = nothing_written() if recent else {}
        self.large: list[tuple[Any, ...]] = []
        self.applied: list[Changes] = []
        self._later = Later()
        self.later = self._later.add
        self.finish = self._later.run

    def get(self, kind: type[R], *key: Any) -> R | None:
        """See `Transaction.get`."""
        pending = self._buffer.pending[kind]
        if key in pending:
            return pending[key]  # type: ignore[return-value]
        if kind in self.written:
            for records in (self.written[kind], self._recent[kind]):
                if key in records:
                    return records[key]  # type: ignore[return-value]
        for (stored,) in self._connection.execute(_GET[kind], key):
            return self._codecs[kind].record(stored)  # type: ignore[no-any-return]
        return None

    look = get  # nobody else is there

    def find(self, kind: type[R], query: Query) -> list[R]:
        """See `Transaction.find`."""
        self.flush()
        record, ask = self._codecs[kind].record, self._connection.execute
        facets = sort_asked(TABLES[kind], query)
        if facets is None:
            return [record(row[0]) for row in pages.find(ask, kind, query, near=True)]
        lacking = self._index is None or self._index.may_lack(facets)
        return [record(row[0]) for row in of_sort(ask, TABLES[kind], facets, query.limit, lacking=lacking)]

    def claim(self, kind: type[R], query: Query, *, wait: bool = False) -> list[R]:  # noqa: ARG002 - one job at a time
        """See `Transaction.claim`; one process writes this file, one job at a time."""
        return self.find(kind, query)

    def load(self, needs: Iterable[Need]) -> None:
        """See `Transaction.load`; the file is near."""

    def next_stretch(self, kind: type[Record], before: int, most: int) -> Stretch | None:
        """See `Transaction.next_stretch`."""
        return next_stretch(self._connection.execute, kind, before, most)

    def count(self, kind: type[Record], *where: Where) -> int:
        """See `Transaction.count`."""
        self.flush()
        statement, values = sql.count_statement(kind, where)
        return int(next(self._connection.execute(statement, values))[0])

    def apply(self, changes: Changes) -> None:
        """See `Transaction.apply`."""
        self._buffer.add(changes)
        self.applied.append(changes)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._buffer.empty:
            return
        for kind, written in self.written.items():
            written.update(self._buffer.pending[kind])
        for kind, drops, rows in self._buffer.take():
            index = self._index if kind is Event else None
            if drops:
                self._connection.executemany(_DROP[kind], drops)
                if index:
                    index.remove(drops)
            if rows:
                _PUT[kind].write(self._connection, rows)
                if kind is Run:
                    self.large += [(row[0],) for row in rows if len(row[-1]) > LARGEST]
                if index:
                    index.add(rows)
