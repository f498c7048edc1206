"""How queries and schemas are written in SQL; what both SQL stores share."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ringback.broker.records import Message, Record
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.rows import CODECS, TABLES, Table

Ask = Callable[[str, list[Any]], Iterable[tuple[Any, ...]]]
"""Runs a statement with its values; its rows may come as they are taken."""


class Statement(NamedTuple):
    """SQL and its values."""

    text: str
    values: list[Any]


_LIKE_SPECIAL = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


def create_statements(table: Table) -> Iterable[str]:
    """Yield the statements that make a table and its indexes in SQLite."""
    names = CODECS[table.kind].names
    if len(table.key) == 1 and table.key[0] in {"seq", "pos", "id"}:
        columns = [f'"{table.key[0]}" INTEGER PRIMARY KEY', *(f'"{name}"' for name in names[1:])]
        options = ""
    else:
        columns = [f'"{name}"' for name in names]
        columns.append(f"PRIMARY KEY ({_quoted(table.key)})")
        options = " WITHOUT ROWID"
    columns.insert(len(names), "record BLOB NOT NULL")
    yield f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(columns)}){options}"
    for index in table.indexes:
        fields = index.split(",")
        name = f"{table.name}_by_{'_'.join(fields)}"
        yield f'CREATE INDEX IF NOT EXISTS {name} ON {table.name} ({_quoted(fields)}) WHERE "{fields[0]}" IS NOT NULL'
    yield from history_indexes(table)
    yield from _deferred_index(table)
    for index in (*table.far, *([table.deferred] if table.deferred else [])):  # former releases have made them
        yield f"DROP INDEX IF EXISTS {table.name}_by_{index.replace(',', '_')}"


def index_name(table: Table) -> str:
    """Return the name of the table that is the deferred index of another one in SQLite."""
    return f"{table.name}_deferred_index"


def _deferred_index(table: Table) -> Iterable[str]:
    """Yield the statements that make a table's deferred index, and what is known of it; what is removed leaves it at once."""
    if not table.deferred:
        return
    fields, name = table.deferred.split(","), index_name(table)
    same = " AND ".join(f'"{field}" = old."{field}"' for field in fields)
    yield f"CREATE TABLE IF NOT EXISTS {name} ({_quoted(fields)}, PRIMARY KEY ({_quoted(fields)})) WITHOUT ROWID"
    yield 'CREATE TABLE IF NOT EXISTS indexed ("of" PRIMARY KEY, upto) WITHOUT ROWID'
    removed = f"DELETE FROM {name} WHERE {same}"
    yield f"CREATE TRIGGER IF NOT EXISTS {table.name}_removed AFTER DELETE ON {table.name} BEGIN {removed}; END"


def rare_only(table: Table, alias: str = "") -> str:
    """Return the condition under which a row is in the index of rare values.

    Not with `NOT IN`: SQLite makes a table of the list for each statement that writes, which costs more than the row.
    """
    return " AND ".join(f"{alias}{table.faceted} <> '{value}'" for value in table.common)


def rare_index(table: Table) -> str:
    """Return the name of the index of rare values."""
    return f"{table.name}_by_rare_{table.faceted}"


def history_indexes(table: Table, rare: Callable[[Table], str] = rare_only) -> Iterable[str]:
    """Yield the statements that make the indexes of rare values, and of records without facets, if the table has them.

    Args:
        table: what they are of.
        rare: words the condition on rare values.
    """
    if table.alike:
        yield f"CREATE INDEX IF NOT EXISTS {table.name}_without_facets ON {table.name} ({table.key[0]}) WHERE facets IS NULL"
    if table.common:
        yield (
            f"CREATE INDEX IF NOT EXISTS {rare_index(table)} ON {table.name}"
            f" ({table.faceted}, {table.key[0]}) WHERE {rare(table)}"
        )


def put_statement(table: Table, rows: int = 1) -> str:
    """Return the statement that writes rows, in the order of `Codec.row`."""
    names = (*CODECS[table.kind].names, "record")
    row = f"({', '.join('?' * len(names))})"
    values = f"({_quoted(names)}) VALUES {', '.join([row] * rows)}"
    if not table.fixed:
        return f"INSERT OR REPLACE INTO {table.name} {values}"
    return f"INSERT INTO {table.name} {values} ON CONFLICT ({_quoted(table.key)}) DO {changed(table)}"


def changed(table: Table) -> str:
    """Return what writing a record again changes in its row."""
    names = [name for name in CODECS[table.kind].names if name not in (*table.key, *table.fixed)]
    return "UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in (*names, "record"))


def drop_statement(table: Table) -> str:
    """Return the statement that removes the row with a key."""
    return f"DELETE FROM {table.name} WHERE {_matches_key(table)}"


def get_statement(table: Table) -> str:
    """Return the statement that reads the record with a key."""
    return f"SELECT record FROM {table.name} WHERE {_matches_key(table)}"


def all_statement(table: Table) -> str:
    """Return the statement that reads all rows, in the order of `Codec.row` and of their keys."""
    names = _quoted(CODECS[table.kind].names)
    return f"SELECT {names}, record FROM {table.name} ORDER BY {_quoted(table.key)}"


def find_statement(kind: type[Record], query: Query) -> tuple[str, list[Any]]:
    """Return the statement that reads the records a query asks for, and its values."""
    table = TABLES[kind]
    conditions, values = _conditions(table, query.where)
    order = ""
    if query.order:
        direction = " DESC" if query.descending else ""
        order = " ORDER BY " + ", ".join(f'r."{name}"{direction}' for name in query.order)
    return f"SELECT r.record FROM {table.name} r{conditions}{order} LIMIT ?", [*values, query.limit]


def count_statement(kind: type[Record], where: tuple[Where, ...]) -> tuple[str, list[Any]]:
    """Return the statement that counts the records that meet all conditions, and its values."""
    table = TABLES[kind]
    conditions, values = _conditions(table, where)
    return f"SELECT count(*) FROM {table.name} r{conditions}", values


def _conditions(table: Table, where: tuple[Where, ...]) -> tuple[str, list[Any]]:
    """Conditions on the message are asked of it row by row: pages are short and read in the order of an index."""
    values: list[Any] = []
    own = [condition("r", one, values) for one in where if not one.column.startswith("message.")]
    about = [one for one in where if one.column.startswith("message.")]
    if about:
        asked = [condition("m", Where(one.column.removeprefix("message."), one.op, one.value), values) for one in about]
        messages = TABLES[Message].name
        own.append(f'EXISTS (SELECT 1 FROM {messages} m WHERE m.seq = r."{table.about}" AND {" AND ".join(asked)})')
    return (" WHERE " + " AND ".join(own) if own else ""), values


def condition(alias: str, one: Where, values: list[Any]) -> str:
    """Return one condition in SQL; its values are added to `values`."""
    column = f'{alias}."{one.column}"'
    match one.op:
        case "null":
            return f"{column} IS NULL"
        case "not null":
            return f"{column} IS NOT NULL"
        case "in" if not one.value:
            return "FALSE"
        case "in":
            values.extend(one.value)
            return f"{column} IN ({', '.join('?' * len(one.value))})"
        case "prefix" | "contains":
            mark = "" if one.op == "prefix" else "%\x1f"
            end = "%" if one.op == "prefix" else "\x1f%"
            values.extend(f"{mark}{text.translate(_LIKE_SPECIAL)}{end}" for text in one.value)
            like = " OR ".join([f"{column} LIKE ? ESCAPE '\\'"] * len(one.value))
            return f"({like or 'FALSE'})"
        case _:
            values.append(one.value)
            return f"{column} {one.op} ?"


def _matches_key(table: Table) -> str:
    return " AND ".join(f'"{name}" = ?' for name in table.key)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
