"""The statements of the PostgreSQL store, made once from the declarations of the tables."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ringback.broker.records import Event, Message, Record
from ringback.broker.stores.rows import CODECS, TABLES, Table
from ringback.broker.stores.sql import changed, history_indexes

_LARGEST = (1 << 63) - 1
_LONG = 4096
"""Characters of a statement from which on its numbered form is not kept: a page may be merged from two hundred parts."""
NUMBERED = {kind for kind, table in TABLES.items() if table.key in (("seq",), ("pos",))}
"""Kinds whose keys are fresh numbers: what is not there will never be."""
UNCHANGING = {Message, Event}
"""Kinds that are written once: they need no lock, and writing one again changes nothing."""


def column_type(table: Table, name: str) -> str:
    """Return the type of a column: the attributes are numbers or texts, what is derived from them are texts."""
    read = name if name in table.key else table.columns[name]
    if not isinstance(read, str):
        return "text"
    hint = get_type_hints(table.kind)[read]
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    is_text = any(kind is str or get_origin(kind) is Literal for kind in kinds)
    return "text" if is_text else "bigint"


def create_statements(table: Table) -> Iterable[str]:
    """Yield the statements that make a table and its indexes."""
    columns = []
    for name in CODECS[table.kind].names:
        kind = column_type(table, name)
        collation = ' COLLATE "C"' if kind == "text" else ""
        columns.append(f'"{name}" {kind}{collation}{" NOT NULL" if name in table.key else ""}')
    columns += ["record bytea NOT NULL", f"PRIMARY KEY ({_quoted(table.key)})"]
    lines = ",\n  ".join(columns)
    yield f"CREATE TABLE {table.name} (\n  {lines}\n)"
    for index in (*table.indexes, *table.far, *([table.deferred] if table.deferred else [])):
        fields = index.split(",")
        name = f"{table.name}_by_{'_'.join(fields)}"
        yield f'CREATE INDEX {name} ON {table.name} ({_quoted(fields)}) WHERE "{fields[0]}" IS NOT NULL'
    yield from history_indexes(table, _rare)


def _rare(table: Table) -> str:
    """Word the condition as it was at first: the planner finds that what queries say now implies it, so the index may stay."""
    common = ", ".join(f"'{value}'" for value in table.common)
    return f"{table.faceted} NOT IN ({common})"


Lock = Literal["none", "wait", "at once"]


@lru_cache(maxsize=512)
def load_statement(kind: type[Record], *, lock: Lock) -> str:
    """Return the statement that reads the rows with some keys; locks are taken in the order of the keys."""
    table = TABLES[kind]
    keys = ", ".join(f't."{name}"' for name in table.key)
    names = [f"k{number}" for number in range(len(table.key))]
    same = " AND ".join(f't."{column}" = k.{name}' for column, name in zip(table.key, names, strict=True))
    order = {"none": "", "wait": f" ORDER BY {keys} FOR UPDATE OF t", "at once": " FOR UPDATE OF t NOWAIT"}[lock]
    return (
        f"SELECT {keys}, t.record FROM unnest({_arrays(table, table.key, 1)}) AS k({', '.join(names)}) "
        f"JOIN {table.name} t ON {same}{order}"
    )


LOCK_ABSENT = "SELECT pg_advisory_xact_lock(k) FROM (SELECT unnest($1::bigint[]) AS k ORDER BY 1) AS keys"
"""Nobody else creates what was not there, until this transaction ends."""


def absent_lock(kind: type[Record], key: tuple[Any, ...]) -> int:
    """Return the number that stands for a key in `LOCK_ABSENT`."""
    text = repr((TABLES[kind].name, key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


Verb = Literal["drop", "drop unchanged", "put"]


@lru_cache(maxsize=512)
def write_statement(shape: tuple[tuple[type[Record], Verb], ...]) -> str:
    """Return one statement that writes to all tables of a transaction.

    Args:
        shape: what is done to which table. The arguments follow in the same order: for `drop` the arrays of the keys, for `put`
            those of the columns; for `drop unchanged` the keys, the records as they must still be, and how many there are:
            where that is not so the statement fails, dividing by zero.
    """
    parts, number, checks = [], 1, []
    for kind, verb in shape:
        table = TABLES[kind]
        if verb == "put":
            parts.append(_upsert(table, number))
            number += len(CODECS[kind].names) + 1
            continue
        parts.append(_delete(table, number, unchanged=verb == "drop unchanged"))
        number += len(table.key)
        if verb == "drop unchanged":
            checks.append(f"1 / ((SELECT count(*) FROM w{len(parts) - 1}) = ${number + 1}::bigint)::int")
            number += 2
    return f"WITH {', '.join(f'w{i} AS ({part})' for i, part in enumerate(parts))} SELECT {', '.join(checks)}"


def numbered(statement: str) -> str:
    """Return a statement with numbered instead of anonymous places for values; long ones seldom come again."""
    return _known_numbered(statement) if len(statement) <= _LONG else _numbered(statement)


def _numbered(statement: str) -> str:
    first, *others = statement.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))


_known_numbered = lru_cache(maxsize=2048)(_numbered)


def fitting_all(column: Sequence[Any]) -> list[Any]:
    """Return a column's values as PostgreSQL can hold them; numbers of records always fit."""
    return [fitting(value) if isinstance(value, str) else value for value in column]


def fitting(value: Any) -> Any:
    """Return a value that PostgreSQL can hold: no zero characters in texts, numbers of 64 bits."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if isinstance(value, int):
        return max(-_LARGEST, min(_LARGEST, value))
    return value


def _delete(table: Table, number: int, *, unchanged: bool) -> str:
    if len(table.key) == 1 and not unchanged:
        return f'DELETE FROM {table.name} WHERE "{table.key[0]}" = ANY({_arrays(table, table.key, number)})'
    same = " AND ".join(f't."{name}" = k."{name}"' for name in table.key)
    arrays, names = _arrays(table, table.key, number), _quoted(table.key)
    if unchanged:
        arrays, names = f"{arrays}, ${number + len(table.key)}::bytea[]", f"{names}, record"
        same = f"{same} AND t.record = k.record"
    returned = " RETURNING 1" if unchanged else ""
    return f"DELETE FROM {table.name} t USING unnest({arrays}) AS k({names}) WHERE {same}{returned}"


def _upsert(table: Table, number: int) -> str:
    names = CODECS[table.kind].names
    arrays = f"{_arrays(table, names, number)}, ${number + len(names)}::bytea[]"
    change = "NOTHING" if table.kind in UNCHANGING else changed(table)
    return (
        f"INSERT INTO {table.name} ({_quoted(names)}, record) SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT ({_quoted(table.key)}) DO {change}"
    )


def _arrays(table: Table, names: Sequence[str], number: int) -> str:
    return ", ".join(f"${number + i}::{column_type(table, name)}[]" for i, name in enumerate(names))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
