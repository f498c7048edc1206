"""The schema of a SQLite file: made, or brought up to date from an older release; columns are only ever added."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from ringback.broker.records import Record
from ringback.broker.stores import sql
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.rows import CODECS, TABLES, Codec, Table

SCHEMA_VERSION = 7


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
    version = int(next(connection.execute("PRAGMA user_version"))[0])
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"the database {path} was written by a newer release (schema {version}, this one knows {SCHEMA_VERSION})"
        )
    if version < SCHEMA_VERSION:
        with connection:
            for table in TABLES.values():
                _expand(connection, table, codecs[table.kind])
                for statement in sql.create_statements(table):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


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
    records = connection.execute(f"SELECT record FROM {table.name}").fetchall()
    connection.executemany(
        f"UPDATE {table.name} SET {sets} WHERE {key}", [_filled(codec, stored, places) for (stored,) in records]
    )


def _filled(codec: Codec, stored: Any, places: list[int]) -> tuple[object, ...]:
    record = codec.record(stored)
    columns = codec.columns(record)
    return (*(columns[place] for place in places), *codec.key(record))
