"""Moving everything from a SQLite file into an empty PostgreSQL database, in one transaction, counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from ringback.broker.records import Node, Record
from ringback.broker.stores import sql
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.postgres import schema
from ringback.broker.stores.postgres.connections import LONG, LOST, SCHEMA, connect, place, told
from ringback.broker.stores.postgres.statements import fitting
from ringback.broker.stores.rows import CODECS, TABLES, Codec, Table
from ringback.broker.stores.sqlite_file import opened

_AT_ONCE = 2000
_TIMEOUT_MS = 15_000

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are copied, and how many there are."""


async def copy(
    file: Path, url: str, progress: Progress, codecs: Mapping[type[Record], Codec] = CODECS
) -> dict[str, int]:
    """Copy all records; return how many rows each table has. Either everything is there afterwards, or nothing.

    A file of an older release is brought up to date for the copy only, and stays as it is.

    Args:
        file: the SQLite file; no broker may run on it.
        url: `postgresql://` address of a database that holds no records.
        progress: told how far it is.
        codecs: read the records of an older file, which may be sealed.

    Raises:
        StoreUnavailable: the file is in use, the database is not empty, a count differs, or one of them cannot be reached.
    """
    with opened(file, codecs, keep=False) as source:
        await schema.migrate(url)
        connection = await connect(url, _TIMEOUT_MS, LONG)
        try:
            return await _copy_all(source.connection, connection, url, progress)
        except (asyncpg.PostgresError, *LOST) as error:
            raise StoreUnavailable(f"cannot copy into the database at {place(url)}: {told(error)}") from error
        finally:
            await connection.close()


async def _copy_all(source: apsw.Connection, connection: Any, url: str, progress: Progress) -> dict[str, int]:
    tables = [table for table in TABLES.values() if table.kind is not Node]
    async with connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        names = ", ".join(table.name for table in TABLES.values())
        await connection.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")  # no broker may join or write meanwhile
        for table in TABLES.values():
            if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):
                raise StoreUnavailable(
                    f"the database at {place(url)} is not empty: there are {table.name.replace('_', ' ')}; stop its brokers and"
                    f" drop the schema {SCHEMA}, or name another database"
                )
        copied = {table.name: await _copy(source, table, connection, progress) for table in tables}
        for table in tables:
            there = await connection.fetchval(f"SELECT count(*) FROM {table.name}")
            if there != copied[table.name]:
                raise StoreUnavailable(f"{table.name}: {there} rows arrived of {copied[table.name]}; nothing was kept")
    await connection.execute("ANALYZE")
    return copied


async def _copy(source: apsw.Connection, table: Table, connection: Any, progress: Progress) -> int:
    (total,) = next(source.execute(f"SELECT count(*) FROM {table.name}"))
    rows = iter(source.execute(sql.all_statement(table)))
    columns = [*CODECS[table.kind].names, "record"]
    done = 0
    progress(table.name, done, total)
    for some in _parts(rows):
        await connection.copy_records_to_table(table.name, records=some, columns=columns, schema_name=SCHEMA)
        done += len(some)
        progress(table.name, done, total)
    return int(total)


def _parts(rows: Iterator[tuple[Any, ...]]) -> Iterable[list[tuple[Any, ...]]]:
    while some := [tuple(map(fitting, row)) for row in islice(rows, _AT_ONCE)]:
        yield some
