"""One transaction on PostgreSQL, as jobs see it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import asyncpg

from ringback.broker.changes import Changes
from ringback.broker.records import (
    ActiveRun,
    Delivery,
    Entry,
    Lane,
    Node,
    Progress,
    Record,
    Run,
    SavedEvent,
    Stretch,
    Waiter,
)
from ringback.broker.stores import pages, sql
from ringback.broker.stores.buffer import Buffer, Known
from ringback.broker.stores.contract import Need, Query, Where
from ringback.broker.stores.later import Later
from ringback.broker.stores.postgres import green, statements
from ringback.broker.stores.postgres.statements import NUMBERED, UNCHANGING, Lock, Verb, fitting, fitting_all
from ringback.broker.stores.rows import CODECS, Codec
from ringback.broker.stores.stretches import next_stretch

R = TypeVar("R", bound=Record)

_ORDER: list[type[Record]] = [Node, ActiveRun, Run, Lane, Delivery]
"""In which order kinds are locked, where there is a choice; the others come after these."""
_RANK = {kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER) + i for i, kind in enumerate(CODECS)}
_OF_A_RUN = {Entry, SavedEvent, Progress, Waiter}
"""Kinds that are made and changed only by whoever holds the lock of their run."""


class Stale(Exception):
    """A delivery is not as it was assumed to be."""


class PostgresTransaction:
    """Reads lock what they find, and what they do not find; writes are gathered and go out together.

    Args:
        connection: in no transaction yet; it begins one with the first read.
        begin: the statement for that.
        known: facets that need not be written again.
        lock: whether reads lock; in a transaction that only reads they do not.
        own: deliveries this broker has leased, as it has written them: they are taken to be so still, without being read, and the
            write fails if they are not.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[Any]",
        known: Known,
        begin: str = "BEGIN",
        *,
        lock: bool = True,
        own: Mapping[int, Delivery] | None = None,
        codecs: Mapping[type[Record], Codec] = CODECS,
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._lock = lock
        self._codecs = codecs
        self._buffer = Buffer(known, codecs)
        self.noted = self._buffer.noted
        self._own = own
        self.assumed: dict[int, Delivery] = {}
        self._known: dict[Need, Record | None] = {}
        self.begun = False
        self.asked: list[Need] = []
        self.applied: list[Changes] = []
        self._later = Later()
        self.later = self._later.add
        self.finish = self._later.run

    def get(self, kind: type[R], *key: Any) -> R | None:
        """See `Transaction.get`."""
        need = (kind, key)
        if need not in self._known:
            self.load((need,))
        return self._known[need]  # type: ignore[return-value]

    def look(self, kind: type[R], *key: Any) -> R | None:
        """See `Transaction.look`."""
        need = (kind, key)
        if need in self._known:
            return self._known[need]  # type: ignore[return-value]
        return self._rows(kind, [key], "none").get(key)

    def load(self, needs: Iterable[Need]) -> None:
        """See `Transaction.load`; kind after kind, and within one in the order of the keys."""
        missing: dict[type[Record], set[tuple[Any, ...]]] = defaultdict(set)
        own = self._own
        for need in needs:
            if need in self._known:
                continue
            kind, key = need
            if own and kind is Delivery and key[0] in own:
                self._known[need] = self.assumed[key[0]] = own[key[0]]
            else:
                missing[kind].add(key)
        order = {kind: sorted(missing[kind]) for kind in sorted(missing, key=_RANK.__getitem__)}
        if self._lock:  # noted before: it may be with one of these that others are in the way
            self.asked += [(kind, key) for kind, keys in order.items() if kind not in UNCHANGING for key in keys]
        for kind, keys in order.items():
            lock = self._lock and kind not in UNCHANGING
            absent = self._load(kind, keys, "wait" if lock else "none")
            if absent and lock and kind not in NUMBERED and kind not in _OF_A_RUN:
                locks = [statements.absent_lock(kind, key) for key in absent]
                self._fetch(statements.LOCK_ABSENT, locks)
                self._load(kind, absent, "at once")  # made meanwhile: waiting now would be out of order

    def find(self, kind: type[R], query: Query) -> list[R]:
        """See `Transaction.find`."""
        self.flush()
        record = self._codecs[kind].record
        if not pages.is_of_history(kind, query):
            return self._records(kind, *sql.find_statement(kind, query))
        self._fetch(
            "SET LOCAL plan_cache_mode = force_custom_plan"
        )  # what is rare has an index, what is common needs none
        found = pages.find(self._ask, kind, query, near=False)
        self._fetch("SET LOCAL plan_cache_mode = force_generic_plan")
        return [record(row[0]) for row in found]

    def claim(self, kind: type[R], query: Query, *, wait: bool = False) -> list[R]:
        """See `Transaction.claim`."""
        self.flush()
        statement, values = sql.find_statement(kind, query)
        locked = f" FOR UPDATE OF r{'' if wait else ' SKIP LOCKED'}" if self._lock else ""
        found = self._records(kind, f"{statement}{locked}", values)
        key = CODECS[kind].key
        self._known.update({(kind, key(record)): record for record in found})
        return found

    def next_stretch(self, kind: type[Record], before: int, most: int) -> Stretch | None:
        """See `Transaction.next_stretch`."""
        return next_stretch(self._ask, kind, before, most)

    def count(self, kind: type[Record], *where: Where) -> int:
        """See `Transaction.count`."""
        self.flush()
        statement, values = sql.count_statement(kind, where)
        (row,) = self._fetch(statements.numbered(statement), *map(fitting, values))
        return int(row[0])

    def apply(self, changes: Changes) -> None:
        """See `Transaction.apply`."""
        self._buffer.add(changes)
        self.applied.append(changes)
        for record in changes.drop:
            self._known[type(record), CODECS[type(record)].key(record)] = None
        for record in changes.put:
            self._known[type(record), CODECS[type(record)].key(record)] = record

    def flush(self, *, last: bool = False) -> None:
        """Write what was gathered, in one statement; the last one of a transaction that has read nothing needs no other."""
        if self._buffer.empty:
            return
        shape: list[tuple[type[Record], Verb]] = []
        values: list[Any] = []
        for kind, drops, rows in self._buffer.take():
            if kind is Delivery and self.assumed:
                drops = self._drop_assumed(drops, rows, shape, values)  # noqa: PLW2901 - the others remain
            if drops:
                shape.append((kind, "drop"))
                values += map(fitting_all, zip(*drops, strict=True))
            if rows:
                shape.append((kind, "put"))
                values += map(fitting_all, zip(*rows, strict=True))
        if not shape:
            return
        statement = statements.write_statement(tuple(shape))
        if last and not self.begun:
            green.wait(self._connection.fetch(statement, *values))
        else:
            self._fetch(statement, *values)

    def _drop_assumed(
        self,
        drops: list[tuple[Any, ...]],
        rows: list[tuple[Any, ...]],
        shape: list[tuple[type[Record], Verb]],
        values: list[Any],
    ) -> list[tuple[Any, ...]]:
        """Have what was not read removed only as it was assumed to be; look at what is to be changed; return the other drops."""
        changed = [row[:1] for row in rows if row[0] in self.assumed]
        if changed:
            there = self._rows(Delivery, changed, "wait")
            if any(there.get(key) != self.assumed[key[0]] for key in changed):
                raise Stale
        unread = [key[0] for key in drops if key[0] in self.assumed]
        if unread:
            encode = CODECS[Delivery].encode
            shape.append((Delivery, "drop unchanged"))
            values += [unread, [encode(self.assumed[seq]) for seq in unread], len(unread)]
        for seq in (*unread, *(key[0] for key in changed)):
            del self.assumed[seq]  # from now on the row is ours
        gone = set(unread)
        return [key for key in drops if key[0] not in gone]

    def tell(self, channel: str, payload: str) -> None:
        """Send a notice to other connections when this transaction is durable."""
        self._fetch("SELECT pg_notify($1, $2)", channel, payload)

    def _load(self, kind: type[Record], keys: list[tuple[Any, ...]], lock: Lock) -> list[tuple[Any, ...]]:
        """Read rows by their keys and remember them; return the keys that are not there."""
        found = self._rows(kind, keys, lock)
        for key in keys:
            self._known[kind, key] = found.get(key)
        return [key for key in keys if key not in found]

    def _rows(self, kind: type[R], keys: list[tuple[Any, ...]], lock: Lock) -> dict[tuple[Any, ...], R]:
        asked = {tuple(map(fitting, key)): key for key in keys}
        statement = statements.load_statement(kind, lock=lock)
        rows = self._fetch(statement, *(list(column) for column in zip(*asked, strict=True)))
        decode = self._codecs[kind].record
        return {asked[tuple(row)[:-1]]: decode(row[-1]) for row in rows}

    def _records(self, kind: type[R], statement: str, values: list[Any]) -> list[R]:
        record = self._codecs[kind].record
        rows = self._fetch(statements.numbered(statement), *map(fitting, values))
        return [record(row[0]) for row in rows]

    def _ask(self, statement: str, values: list[Any]) -> list[Any]:
        return self._fetch(statements.numbered(statement), *map(fitting, values))

    def _fetch(self, statement: str, *values: Any) -> list[Any]:
        if not self.begun:
            green.wait(self._connection.execute(self._begin))
            self.begun = True
        return green.wait(self._connection.fetch(statement, *values))
