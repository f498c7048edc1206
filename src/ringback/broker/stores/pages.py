"""Pages of history: a filter becomes a statement that reads hardly more rows than it returns, however many there are.

History is filtered by what its messages have in common, its facets (`rules.facets`), so the facets that fit are found first.
Few of them: an index holds the records of each in order, and they are merged until the page is full. Many with few records:
their places, which stand in the index, are sorted. Many with many: walking through all history, newest or oldest first, soon
meets enough of them, unless what is asked for is a rare state: these have an index of their own. Either way stretches of
history that hold nothing of the kind are passed over (`stores.stretches`).
"""

import heapq
from collections.abc import Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from msgspec.structs import replace

from ringback.broker.records import Record
from ringback.broker.stores.arms import arms, direction, place_of, rare_arms, rare_in_range
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.deferred import indexed_upto
from ringback.broker.stores.fitting import about_of, fits, fitting, own_of
from ringback.broker.stores.rows import TABLES
from ringback.broker.stores.sql import Ask, Statement, condition, find_statement, index_name
from ringback.broker.stores.stretches import segments

_MERGED = 200
"""Most places in an index that are read side by side."""
_MANY = 10_000
"""Most facets whose records are looked up one by one."""
_PROBED = 5_000
"""How many records are walked through before anything else is tried."""
_PROMISING = 20
"""How many times as many, where the page would be full by then if it went on like this."""
_RARE = 10_000
"""Most records in rare states that are walked through before anything else is tried."""
_SORTED = 30_000
"""Most places that are sorted to find a page among them."""

Rows = list[tuple[Any, ...]]
_TOO_MANY = (None,)
"""The row that stands for a page where there is too much to be sorted."""


def is_of_history(kind: type[Record], query: Query) -> bool:
    """Whether facets are asked for a query; else a plain statement answers it."""
    return bool(about_of(kind, query))


def find(ask: Ask, kind: type[Record], query: Query, *, near: bool) -> Rows:
    """Return the rows of a query, each with the stored record.

    Args:
        ask: runs a statement; its rows may come as they are taken.
        kind: what is looked for.
        query: what is asked of it.
        near: the database is in this process, and SQLite; else it is far away, and PostgreSQL.
    """
    about, merge = about_of(kind, query), _merged_here if near else _merged_there
    if not about or _are_some_without_facets(ask, kind):
        return list(ask(*find_statement(kind, query)))
    all_ = fitting(about)
    ids = [row[0] for row in ask(f"SELECT f.id FROM {all_.text} LIMIT ?", [*all_.values, _MERGED + 1])]
    if not ids:
        return []
    indexed = indexed_upto(ask, TABLES[kind]) if near and TABLES[kind].deferred else None
    merged = arms(kind, query, ids, indexed, _MERGED)
    if merged:
        return merge(ask, merged, query)
    asked = fits(about)
    rows = list(ask(*_walked(kind, query, asked, near=near, within=_PROBED)))
    if len(rows) >= query.limit or _count(ask, _in_range(kind, query), _PROBED) <= _PROBED:
        return rows
    rare = rare_arms(kind, query, asked)
    if rare and _count(ask, rare_in_range(kind, query), _RARE) <= _RARE:
        return merge(ask, rare, query)
    if len(rows) >= query.limit / _PROMISING:
        rows = list(ask(*_walked(kind, query, asked, near=near, within=_PROBED * _PROMISING)))
        if len(rows) >= query.limit:
            return rows
    rows = list(ask(*_sorted(kind, query, all_, indexed)))
    return rows if _TOO_MANY not in rows else _walked_in_parts(ask, kind, query, about, near=near)


def _walked_in_parts(ask: Ask, kind: type[Record], query: Query, about: Sequence[Where], *, near: bool) -> Rows:
    """Walk through the parts of history that may hold something."""
    rows: Rows = []
    merge = _merged_here if near else _merged_there
    asked, (place,) = fits(about), query.order
    for before, last in segments(ask, kind, query, about):
        where = (*query.where, Where(place, ">", before), Where(place, "<=", last))
        part = replace(query, where=where, limit=query.limit - len(rows))
        rare = rare_arms(kind, part, asked)
        rows += merge(ask, rare, part) if rare else ask(*_walked(kind, part, asked, near=near))
        if len(rows) >= query.limit:
            break
    return rows


def _are_some_without_facets(ask: Ask, kind: type[Record]) -> bool:
    """Records of former releases have none, and are asked themselves as long as they are kept."""
    table = TABLES[kind]
    return bool(table.alike) and any(ask(f"SELECT 1 FROM {table.name} r WHERE r.facets IS NULL LIMIT 1", []))


def _merged_here(ask: Ask, arms: list[Statement], query: Query) -> Rows:
    """Merge rows that are read one by one, as they are wanted: for a database in this process."""
    rows = heapq.merge(*(ask(*arm) for arm in arms), key=itemgetter(1), reverse=query.descending)
    return list(islice(rows, query.limit))


def _merged_there(ask: Ask, arms: list[Statement], query: Query) -> Rows:
    """Let the database merge, in one statement: for one that is far away."""
    if len(arms) == 1:
        return list(ask(*arms[0]))
    text = " UNION ALL ".join(f"({arm.text})" for arm in arms)
    values = [value for arm in arms for value in arm.values]
    return list(ask(f"{text} ORDER BY place{direction(query)} LIMIT ?", [*values, query.limit]))


def _count(ask: Ask, source: Statement, most: int) -> int:
    """Return how many rows there are, counted not much further than `most`."""
    ((found,),) = ask(f"SELECT count(*) FROM (SELECT 1 FROM {source.text} LIMIT ?) counted", [*source.values, most + 1])
    return int(found)


def _in_range(kind: type[Record], query: Query) -> Statement:
    """All records in the range of places that is asked for, whatever they are about."""
    values: list[Any] = []
    conditions = [condition("r", one, values) for one in query.where if one.column in query.order]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Statement(f"{TABLES[kind].name} r{where}", values)


def _sorted(kind: type[Record], query: Query, all_: Statement, indexed: int | None) -> Statement:
    """Sort the places of all records of the facets that fit, which the index alone tells, and read those of the page.

    CROSS JOIN makes SQLite begin with the facets; the plus takes the type off their number, else it would not use the index
    of a column that has none.
    """
    table, values = TABLES[kind], [*all_.values, _MANY + 1]
    place, order, few = place_of(table), f"ORDER BY place{direction(query)}", "(SELECT count(*) FROM sorts) <= ?"
    found = []
    for source, same, own in _places(kind, query, indexed):
        where = [same, *(condition("r", one, values) for one in own), few]
        found.append(f"SELECT {place} AS place FROM {source} r WHERE {' AND '.join(where)}")
        values.append(_MANY)
    text = f"""
        WITH sorts AS MATERIALIZED (SELECT f.id FROM {all_.text} LIMIT ?),
        places AS MATERIALIZED ({" UNION ALL ".join(found)} LIMIT ?),
        much AS MATERIALIZED (SELECT (SELECT count(*) FROM sorts) > ? OR (SELECT count(*) FROM places) > ? AS too),
        page AS MATERIALIZED (SELECT place FROM places WHERE NOT (SELECT too FROM much) {order} LIMIT ?)
        SELECT record FROM (
            SELECT r.record, place FROM page CROSS JOIN {table.name} r WHERE {place} = +place {order}
        ) found
        UNION ALL SELECT NULL FROM much WHERE too"""
    return Statement(text, [*values, _SORTED + 1, _MANY, _SORTED, query.limit])


def _places(kind: type[Record], query: Query, indexed: int | None) -> list[tuple[str, str, list[Where]]]:
    """Return where the places of records are found, how those of the sorts that fit, and what else is asked of them.

    Where the index is written later, it tells some of them, and the rest is walked through once.
    """
    table, own = TABLES[kind], own_of(kind, query)
    key, each = table.key[0], "r.facets = +s.id"
    if indexed is None:
        return [(f"sorts s CROSS JOIN {table.name}", each, own)]
    return [
        (f"sorts s CROSS JOIN {index_name(table)}", each, [*own, Where(key, "<=", indexed)]),
        (table.name, "r.facets IN (SELECT id FROM sorts)", [*own, Where(key, ">", indexed)]),
    ]


def _walked(kind: type[Record], query: Query, fit: Statement, *, near: bool, within: int | None = None) -> Statement:
    """Walk through all records, or the first ones only, and ask of each whether its facets fit.

    PostgreSQL remembers the answers for facets that come again, if they are asked in a join.
    """
    order = f" ORDER BY {place_of(TABLES[kind])}{direction(query)}"
    values: list[Any] = []
    source, rest = f"{TABLES[kind].name} r", own_of(kind, query)
    if within is not None:
        source, values = _in_range(kind, query)
        source, values = f"(SELECT * FROM {source}{order} LIMIT ?) r", [*values, within]
        rest = [one for one in rest if one.column not in query.order]
    values = [*values, *fit.values]
    where = " AND ".join([fit.text if near else "TRUE", *(condition("r", one, values) for one in rest)])
    source = source if near else f"{source} CROSS JOIN LATERAL {fit.text} fit"
    return Statement(f"SELECT r.record FROM {source} WHERE {where}{order} LIMIT ?", [*values, query.limit])
