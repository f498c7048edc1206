"""Statements whose rows come in the order of an index, to be merged into a page of history; see `stores.pages`."""

from collections.abc import Sequence
from typing import Any, get_args

from ringback.broker.records import Event, Record, Run, RunState, State
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.fitting import own_of
from ringback.broker.stores.rows import TABLES, Table
from ringback.broker.stores.sql import Statement, condition, index_name, rare_only

_STATES = {Event: State, Run: RunState}


def arms(kind: type[Record], query: Query, ids: list[int], indexed: int | None, most: int) -> list[Statement]:
    """Return a statement for each facets and state, whose rows come in the order of an index; none if there are too many.

    Args:
        kind: what is looked for.
        query: what is asked of it.
        ids: the facets that fit.
        indexed: how far the index has come where it is written later; one more statement walks through the rest.
        most: how many statements there may be.
    """
    table = TABLES[kind]
    asked = _asked_state(table, query)
    states: Sequence[Any] = (None,)
    if asked is not None:
        states = _states(asked)
    elif table.faceted == "state":
        states = get_args(_STATES[kind])  # the index holds them one after the other
    if len(ids) * len(states) > most:
        return []
    rest = [one for one in own_of(kind, query) if one is not asked]
    if indexed is not None:
        before, after = Where(table.key[0], "<=", indexed), Where(table.key[0], ">", indexed)
        own = [*rest, after] if asked is None else [*rest, after, asked]
        among = Statement(f"r.facets IN ({', '.join('?' * len(ids))})", list(ids))
        return [
            *(
                _ordered(table, query, _same("i", table, number, state), [*rest, before], "i")
                for number in ids
                for state in states
            ),
            _ordered(table, query, among, own),
        ]
    return [_ordered(table, query, _same("r", table, number, state), rest) for number in ids for state in states]


def rare_arms(kind: type[Record], query: Query, fit: Statement) -> list[Statement]:
    """Return a statement for each state that is asked for, if there is an index of all of them."""
    table = TABLES[kind]
    asked = _asked_state(table, query)
    if asked is None or not set(_states(asked)).isdisjoint(table.common):
        return []
    rest = [one for one in own_of(kind, query) if one is not asked]
    rare = _not_common(table)
    return [
        _ordered(table, query, Statement(f"r.{table.faceted} = ?{rare} AND {fit.text}", [state, *fit.values]), rest)
        for state in _states(asked)
    ]


def rare_in_range(kind: type[Record], query: Query) -> Statement:
    """All records of the rare states that are asked for, whatever they are about."""
    table = TABLES[kind]
    values: list[Any] = []
    conditions = [condition("r", one, values) for one in query.where if one.column in (*query.order, table.faceted)]
    return Statement(f"{table.name} r WHERE {' AND '.join(conditions)}{_not_common(table)}", values)


def _same(alias: str, table: Table, facets: int, state: Any) -> Statement:
    if state is None:
        return Statement(f"{alias}.facets = ?", [facets])
    return Statement(f"{alias}.facets = ? AND {alias}.{table.faceted} = ?", [facets, state])


def _ordered(table: Table, query: Query, first: Statement, rest: list[Where], index: str = "") -> Statement:
    """Return a statement whose rows come in order: of the table, or of its deferred index, called `index`."""
    values, key, by = list(first.values), table.key[0], index or "r"
    where = " AND ".join([first.text, *(condition(by if one.column == key else "r", one, values) for one in rest)])
    source = (
        f"{index_name(table)} {index} CROSS JOIN {table.name} r ON r.{key} = {index}.{key}"
        if index
        else f"{table.name} r"
    )
    text = f"SELECT r.record, {by}.{key} AS place FROM {source} WHERE {where}"
    return Statement(f"{text} ORDER BY {by}.{key}{direction(query)} LIMIT ?", [*values, query.limit])


def _asked_state(table: Table, query: Query) -> Where | None:
    return next((one for one in query.where if one.column == table.faceted), None)


def _states(asked: Where) -> Sequence[Any]:
    return asked.value if asked.op == "in" else (asked.value,)


def place_of(table: Table) -> str:
    """Return the column that history is in the order of."""
    return f"r.{table.key[0]}"


def direction(query: Query) -> str:
    """Return what follows the column that a page is in the order of."""
    return " DESC" if query.descending else ""


def _not_common(table: Table) -> str:
    """The words that the index of rare values is declared with: a planner takes it only where it finds them."""
    return f" AND {rare_only(table, 'r.')}" if table.common else ""
