"""Pages of history: a filter becomes a statement that reads hardly more rows than it returns, however many there are.

History is filtered by what its messages have in common, its facets (`rules.facets`), so the facets that fit are found first.
Few of them: an index holds the records of each in order, and they are merged until the page is full. Many with few records:
these are sorted. Many with many: walking through all history, newest or oldest first, soon meets enough of them.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple, get_args
from urllib.parse import urlsplit

from ringback.broker.records import FacetLabel, Facets, Record, State
from ringback.broker.rules.facets import label_key
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.rows import TABLES, Table
from ringback.broker.stores.sql import condition, find_statement

_MERGED = 200
"""Most places in an index that are read side by side."""
_SORTED = 20_000
"""Most records that are sorted to find a page among them."""

Rows = list[tuple[Any, ...]]
Ask = Callable[[str, list[Any]], Iterable[tuple[Any, ...]]]


class Statement(NamedTuple):
    """SQL and its values."""

    text: str
    values: list[Any]


Merge = Callable[[Ask, list[Statement], Query], Rows]


def find(ask: Ask, merge: Merge, kind: type[Record], query: Query) -> Rows:
    """Return the rows of a query, each with the stored record.

    Args:
        ask: runs a statement; its rows may come as they are taken.
        merge: `merged_here` or `merged_there`.
        kind: what is looked for.
        query: what is asked of it.
    """
    about = _about(kind, query)
    if not about:
        return list(ask(*find_statement(kind, query)))
    fitting = _fitting(about)
    ids = [row[0] for row in ask(f"{fitting.text} LIMIT ?", [*fitting.values, _MERGED + 1])]
    if not ids:
        return []
    arms = _arms(kind, query, ids)
    if arms:
        return merge(ask, arms, query)
    ((some,),) = ask(*_counted(kind, query, fitting))
    return list(ask(*(_walked if some > _SORTED else _sorted)(kind, query, fitting)))


def _about(kind: type[Record], query: Query) -> list[Where]:
    """Return the conditions on facets that a query amounts to; none where it names records or messages one by one."""
    table = TABLES[kind]
    if table.faceted is None or query.order != table.key:
        return []
    about = []
    for one in query.where:
        if one.column == "message" or (one.column in table.key and one.op in ("=", "in")):
            return []
        if one.column == "tenant":
            about.append(one)
        elif one.column == "run":
            about.append(Where("of_run", "=", int(one.op != "=")))  # asked is `= 0` or `> 0`
        elif one.column.startswith("message."):
            about += _about_facets(one)
    return about


def _about_facets(one: Where) -> list[Where]:
    """Where a URL is asked for, its host is too: that has an index, a URL may be too long for one."""
    column = one.column.removeprefix("message.")
    if column == "host":
        return [Where(column, one.op, tuple(host[:255] for host in one.value))]
    if column == "url" and one.op == "in":
        hosts = tuple({_host(url) for url in one.value})
        return [Where("host", "in", hosts), Where(column, one.op, one.value)]
    return [Where(column, one.op, one.value)]


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc[:255]
    except ValueError:
        return ""  # no message was ever accepted for it


def _fitting(about: Sequence[Where]) -> Statement:
    values: list[Any] = []
    conditions = [
        _labelled(one.value, values) if one.column == "labels" else condition("f", one, values) for one in about
    ]
    return Statement(f"SELECT f.id FROM {TABLES[Facets].name} f WHERE {' AND '.join(conditions)}", values)


def _labelled(labels: Sequence[str], values: list[Any]) -> str:
    values.extend(map(label_key, labels))
    marks = ", ".join("?" * len(labels))
    return (
        f"f.id IN (SELECT l.facets FROM {TABLES[FacetLabel].name} l WHERE l.tenant = f.tenant AND l.label IN ({marks}))"
    )


def _arms(kind: type[Record], query: Query, ids: list[int]) -> list[Statement]:
    """Return a statement for each facets and state, whose rows come in the order of an index; none if there are too many."""
    table = TABLES[kind]
    asked = next((one for one in query.where if one.column == table.faceted), None)
    states: Sequence[Any] = (None,)
    if asked is not None:
        states = asked.value if asked.op == "in" else (asked.value,)
    elif table.faceted == "state":
        states = get_args(State)  # the index holds them one after the other
    if len(ids) * len(states) > _MERGED:
        return []
    rest = [one for one in _own(query) if one is not asked]
    return [_arm(table, query, rest, number, state) for number in ids for state in states]


def _arm(table: Table, query: Query, rest: list[Where], number: int, state: Any) -> Statement:
    values: list[Any] = [number] if state is None else [number, state]
    conditions = ["r.facets = ?"] if state is None else ["r.facets = ?", f"r.{table.faceted} = ?"]
    conditions += [condition("r", one, values) for one in rest]
    text = f"SELECT r.record, r.pos AS pos FROM {table.name} r WHERE {' AND '.join(conditions)}"
    return Statement(f"{text} ORDER BY r.pos{_direction(query)} LIMIT ?", [*values, query.limit])


def merged_here(ask: Ask, arms: list[Statement], query: Query) -> Rows:
    """Merge rows that are read one by one, as they are wanted: for a database in this process."""
    rows = heapq.merge(*(ask(*arm) for arm in arms), key=itemgetter(1), reverse=query.descending)
    return list(islice(rows, query.limit))


def merged_there(ask: Ask, arms: list[Statement], query: Query) -> Rows:
    """Let the database merge, in one statement: for one that is far away."""
    if len(arms) == 1:
        return list(ask(*arms[0]))
    text = " UNION ALL ".join(f"({arm.text})" for arm in arms)
    values = [value for arm in arms for value in arm.values]
    return list(ask(f"{text} ORDER BY pos{_direction(query)} LIMIT ?", [*values, query.limit]))


def _counted(kind: type[Record], query: Query, fitting: Statement) -> Statement:
    """Return the statement that counts what is there, but not much further than what would be sorted."""
    source, values = _of_fitting(kind, query, fitting)
    return Statement(f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT ?) counted", [*values, _SORTED + 1])


def _sorted(kind: type[Record], query: Query, fitting: Statement) -> Statement:
    source, values = _of_fitting(kind, query, fitting)
    # `+ 0` keeps the planner from walking through everything in order
    text = f"SELECT r.record FROM {source} ORDER BY r.pos + 0{_direction(query)} LIMIT ?"
    return Statement(text, [*values, query.limit])


def _of_fitting(kind: type[Record], query: Query, fitting: Statement) -> Statement:
    """All records of the facets that fit.

    CROSS JOIN makes SQLite begin with the facets; the plus takes the type off their number, else it would not use the index
    of a column that has none.
    """
    values = list(fitting.values)
    conditions = ["r.facets = +a.id", *(condition("r", one, values) for one in _own(query))]
    return Statement(f"({fitting.text}) a CROSS JOIN {TABLES[kind].name} r WHERE {' AND '.join(conditions)}", values)


def _walked(kind: type[Record], query: Query, fitting: Statement) -> Statement:
    values = list(fitting.values)
    # `+ 0` keeps the planner from the index of the facets, whose records it would have to sort
    conditions = [f"r.facets + 0 IN ({fitting.text})", *(condition("r", one, values) for one in _own(query))]
    where = " AND ".join(conditions)
    text = f"SELECT r.record FROM {TABLES[kind].name} r WHERE {where} ORDER BY r.pos{_direction(query)} LIMIT ?"
    return Statement(text, [*values, query.limit])


def _own(query: Query) -> list[Where]:
    """Return the conditions that are asked of each record; for the rest, its facets vouch."""
    return [one for one in query.where if one.column not in ("tenant", "run") and not one.column.startswith("message.")]


def _direction(query: Query) -> str:
    return " DESC" if query.descending else ""
