"""The schema of a SQLite file: made, or brought up to date from an older release; columns are only ever added."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw

from ringback.broker.records import Record
from ringback.broker.stores import sql
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.rows import CODECS, TABLES, Codec, Table

SCHEMA_VERSION = 9
_OTHER_RARE_INDEX = 9
"""From here on the indexes of rare values have another condition."""
_AT_ONCE = 1000
"""Most records that are read at once."""


def migrate(connection: apsw.Connection, path: Path, codecs: Mapping[type[Record], Codec] = CODECS) -> None:
    """Bring a file up to date, all of it or nothing.

    Args:
        connection: to the file.
        path: where it is, for messages.
        codecs: read its records, which may be sealed.

    Raises:
        StoreUnavailable: it comes from a newer release.
        apsw.Error: it cannot be written.
    """
    version = version_of(connection)
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"the database {path} was written by a newer release (schema {version}, this one knows {SCHEMA_VERSION})"
        )
    if version < SCHEMA_VERSION:
        with connection:
            for table in TABLES.values():
                _expand(connection, table, codecs[table.kind])
                if table.common and version < _OTHER_RARE_INDEX:
                    connection.execute(f"DROP INDEX IF EXISTS {sql.rare_index(table)}")
                for statement in sql.create_statements(table):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def version_of(connection: apsw.Connection) -> int:
    """Return the schema of a file; 0 for an empty one."""
    return int(next(connection.execute("PRAGMA user_version"))[0])


def _expand(connection: apsw.Connection, table: Table, codec: Codec) -> None:
    """Add the columns that an older table lacks, and fill them from its records."""
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
    added = [name for name in codec.names if name not in there]
    if not there or not added:
        return
    for name in added:
        connection.execute(f'ALTER TABLE {table.name} ADD COLUMN "{name}"')
    places = [codec.names.index(name) for name in added]
    sets = ", ".join(f'"{name}" = ?' for name in added)
    key = " AND ".join(f'"{name}" = ?' for name in table.key)
    for records in _in_parts(connection, codec):
        connection.executemany(
            f"UPDATE {table.name} SET {sets} WHERE {key}", [_filled(codec, record, places) for record in records]
        )


def _in_parts(connection: apsw.Connection, codec: Codec) -> Iterator[list[Record]]:
    """Yield all records of a table in the order of their keys, some at a time: together they may not fit into memory."""
    table = codec.table
    key = ", ".join(f'"{name}"' for name in table.key)
    after: tuple[Any, ...] = ()
    while True:
        where = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        statement = f"SELECT record FROM {table.name} {where} ORDER BY {key} LIMIT {_AT_ONCE}"
        records = [codec.record(stored) for (stored,) in connection.execute(statement, after)]
        yield records
        if len(records) < _AT_ONCE:
            return
        after = codec.key(records[-1])


def _filled(codec: Codec, record: Record, places: list[int]) -> tuple[object, ...]:
    columns = codec.columns(record)
    return (*(columns[place] for place in places), *codec.key(record))
