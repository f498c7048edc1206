"""A database with millions of records, written straight into its tables: through the broker it would take hours."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import apsw

from ringback.broker.records import Record
from ringback.broker.stores import sql
from ringback.broker.stores.rows import CODECS, TABLES
from ringback.broker.stores.sqlite import SqliteStore

_AT_ONCE = 20_000


def fill(path: Path, records: Iterable[Record]) -> None:
    """Make a database and write records into it."""
    asyncio.run(_create(path))
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    put = {kind: sql.put_statement(table) for kind, table in TABLES.items()}
    left = iter(records)
    while batch := list(islice(left, _AT_ONCE)):
        with connection:
            for kind, rows in _by_kind(batch):
                connection.executemany(put[kind], rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _create(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


def _by_kind(batch: list[Record]) -> Iterator[tuple[type[Record], list[tuple[object, ...]]]]:
    rows: dict[type[Record], list[tuple[object, ...]]] = {}
    for record in batch:
        rows.setdefault(type(record), []).append(CODECS[type(record)].row(record))
    yield from rows.items()
