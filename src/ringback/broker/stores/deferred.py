"""The index of history that SQLite writes later, many entries at a time and in order; events that are newer are walked through.

Entries of many sorts lie far apart. Written with each event, every entry would change a page of its own, which costs more than
all else of the event. Gathered until there are some ten thousand and written side by side, they share pages, and each page is
written once. What the index does not hold yet is little, and a page of history reads it beside the index, so pages are right at
any time.

It is written by the transactions that write events, with the place it has come to, and an event that comes late, to a place that
was indexed, is indexed at once. PostgreSQL keeps an ordinary index.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import apsw

from ringback.broker.records import Event
from ringback.broker.stores.contract import Query
from ringback.broker.stores.rows import CODECS, TABLES, Table
from ringback.broker.stores.sql import Ask, index_name
from ringback.broker.stores.together import Put

BATCH = 20_000
"""Entries that are gathered; walking through as many takes some milliseconds."""
_STEP = 1_000
"""Fewest entries that are written at once, once there is a batch."""
_MOST_LEFT = 3 * BATCH
"""Entries from which on all that is left is indexed before anything else is done."""
_TABLE = TABLES[Event]
_INDEX = index_name(_TABLE)
_PUT = Put(lambda rows: f"INSERT OR IGNORE INTO {_INDEX} (facets, state, pos) VALUES {', '.join(['(?, ?, ?)'] * rows)}")
_REST = f"SELECT facets, state, pos FROM {_TABLE.name} WHERE pos > ?"
_POS, _STATE, _FACETS = (CODECS[Event].names.index(name) for name in ("pos", "state", "facets"))

_Entry = tuple[int, str, int]


class DeferredIndex:
    """Gathers the entries of events, and writes them in the transactions of others.

    What a transaction adds is taken up when it is durable (`committed`), or was never there (`rolled_back`).

    Args:
        connection: the only one that writes; not within a transaction.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._upto = self._target = indexed_upto(connection.execute, _TABLE)
        self._gathered: dict[int, list[_Entry]] = {}
        self._count = 0
        self._batch: list[_Entry] = []
        self._sorts: set[int] = set()
        self._gone: set[int] = set()
        self.rolled_back()
        left = f"SELECT count(*) FROM ({_REST} LIMIT {_MOST_LEFT})"
        if next(connection.execute(left, (self._upto,)))[0] == _MOST_LEFT:
            self._write_all()
        self._added += connection.execute(_REST, (self._upto,))
        self.committed()

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take up rows of events that a transaction has written; a late one is indexed at once."""
        late: list[_Entry] = []
        for row in rows:
            entry = (row[_FACETS], row[_STATE], row[_POS])
            (self._added if entry[2] > self._target else late).append(entry)
        if late:
            _PUT.write(self._connection, late)
            self._sorts.update(one[0] for one in late if one[2] > self._upto)

    def remove(self, keys: Iterable[tuple[Any, ...]]) -> None:
        """Note which events a transaction has removed; a trigger has removed those of their entries that were written."""
        self._removed.update(pos for (pos,) in keys if pos > self._upto)

    def may_lack(self, facets: int) -> bool:
        """Whether there may be events of these facets that are not indexed yet."""
        return facets in self._gathered or facets in self._sorts or any(one[0] == facets for one in self._added)

    def write(self) -> None:
        """Write some entries of a batch, if there is one: more than were added meanwhile, so that it comes to an end."""
        if not self._batch:
            return
        some = self._batch[: -max(_STEP, 2 * len(self._added)) - 1 : -1]
        gone = self._gone | self._removed
        _PUT.write(self._connection, [one for one in some if one[2] not in gone] if gone else some)
        self._taken = len(some)
        if self._taken == len(self._batch):
            _note(self._connection, self._target)

    def committed(self) -> None:
        """What the last transaction did is durable."""
        if self._taken:
            del self._batch[-self._taken :]
            if not self._batch:
                self._upto, self._sorts = self._target, set()
        for entry in self._added:
            self._gather(entry)
        self._gone |= self._removed
        if self._gone:
            self._gone = {pos for pos in self._gone if pos > self._upto}.difference(one[2] for one in self._added)
        self.rolled_back()
        if self._count >= BATCH and not self._batch:
            self._begin()

    def rolled_back(self) -> None:
        """What the last transaction did was never there."""
        self._added: list[_Entry] = []
        self._removed: set[int] = set()
        self._taken = 0

    def _gather(self, entry: _Entry) -> None:
        entries = self._gathered.get(entry[0])
        if entries is None:
            self._gathered[entry[0]] = [entry]
        else:
            entries.append(entry)
        self._count += 1

    def _begin(self) -> None:
        """Put what was gathered in order, what is written first at the end; what comes late to its places is indexed at once."""
        gathered, self._gathered, self._count = self._gathered, {}, 0
        order = sorted(gathered, reverse=True)
        self._batch = [entry for facets in order for entry in reversed(gathered[facets])]
        self._sorts = set(gathered)
        self._target = max(map(itemgetter(2), self._batch))

    def _write_all(self) -> None:
        """Index everything at once: for a file of a former release, or one that was filled by other means."""
        with self._connection:
            self._connection.execute(
                f"INSERT OR IGNORE INTO {_INDEX} (facets, state, pos) {_REST} ORDER BY facets, state, pos",
                (self._upto,),
            )
            self._upto = self._target = next(self._connection.execute(f"SELECT max(pos) FROM {_TABLE.name}"))[0]
            _note(self._connection, self._upto)


def _note(connection: apsw.Connection, upto: int) -> None:
    connection.execute('INSERT OR REPLACE INTO indexed ("of", upto) VALUES (?, ?)', (_TABLE.name, upto))


def indexed_upto(ask: Ask, table: Table) -> int:
    """Return the last place that the index of a table holds."""
    return next((int(row[0]) for row in ask('SELECT upto FROM indexed WHERE "of" = ?', [table.name])), -1)


def sort_asked(table: Table, query: Query) -> int | None:
    """Return the facets, where nothing else is asked of records that have a deferred index."""
    match query:
        case Query(where=(one,), order=()) if table.deferred and one.column == "facets" and one.op == "=":
            return int(one.value)
        case _:
            return None


def of_sort(ask: Ask, table: Table, facets: int, limit: int, *, lacking: bool) -> Sequence[tuple[Any, ...]]:
    """Return rows of records with some facets, in any order.

    Args:
        ask: runs a statement.
        table: where the records are.
        facets: which.
        limit: how many at most.
        lacking: whether some may not be indexed yet.
    """
    upto, key = indexed_upto(ask, table), table.key[0]
    joined = f"{index_name(table)} i CROSS JOIN {table.name} r ON r.{key} = i.{key}"
    rows = list(
        ask(f"SELECT r.record FROM {joined} WHERE i.facets = ? AND i.{key} <= ? LIMIT ?", [facets, upto, limit])
    )
    if lacking and len(rows) < limit:
        rest = f"SELECT r.record FROM {table.name} r WHERE r.{key} > ? AND r.facets = ? LIMIT ?"
        rows += ask(rest, [upto, facets, limit - len(rows)])
    return rows
