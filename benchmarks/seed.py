"""A database with millions of records, written straight into its tables: through the broker it would take hours."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import apsw

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from benchmarks.process import Broker, broker
from benchmarks.report import Report
from ringback.broker.operations.stretches import KINDS, LONG
from ringback.broker.records import Record
from ringback.broker.stores import sql
from ringback.broker.stores.postgres.copying import copy
from ringback.broker.stores.rows import CODECS, TABLES
from ringback.broker.stores.sqlite import SqliteStore
from ringback.broker.stores.together import Put
from support.postgres import serving

_AT_ONCE = 20_000
_LONGEST = 300.0
"""Seconds after which waiting is given up."""


def fill(path: Path, records: Iterable[Record]) -> None:
    """Make a database and write records into it."""
    asyncio.run(_open_once(path))
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    put = {kind: Put(partial(sql.put_statement, table)) for kind, table in TABLES.items()}
    left = iter(records)
    while batch := list(islice(left, _AT_ONCE)):
        with connection:
            for kind, rows in _by_kind(batch):
                put[kind].write(connection, rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    asyncio.run(_open_once(path))  # a broker that wrote all this would have indexed it, too


@contextmanager
def filled_broker(path: Path, report: Report, *, postgres: bool) -> Iterator[Broker]:
    """Run a broker on a filled database, or on a copy of it in a PostgreSQL of its own; go on when its history is noted."""
    with ExitStack() as stack:
        if postgres:
            server = stack.enter_context(serving(durable=True))
            server.query("postgres", "CREATE DATABASE bench")
            address: Path | str = server.address("bench")
            begun = time.perf_counter()
            asyncio.run(copy(path, str(address), lambda *_: None))
            report.add("copied to PostgreSQL in", time.perf_counter() - begun, "s")
            ask = lambda statement: int(server.query("bench", f"SET search_path = ringback; {statement}"))  # noqa: E731
        else:
            address, connection = path, apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            stack.callback(connection.close)
            ask = lambda statement: int(next(connection.execute(statement))[0])  # noqa: E731
        running = stack.enter_context(broker(address))
        report.add("what history is about noted after", _wait_until_noted(ask), "s")
        yield running


def _wait_until_noted(ask: Callable[[str], int]) -> float:
    """Wait until a broker has noted what its history is about, as it does in the background; return the seconds."""
    begun = time.perf_counter()
    for kind in KINDS:
        table = TABLES[kind]
        left = (
            f"SELECT count(*) FROM (SELECT 1 FROM {table.name} WHERE {table.key[0]} > (SELECT coalesce(max(upto), -1)"
            f""" FROM stretches WHERE "of" = '{table.name}') LIMIT {2 * LONG}) AS rest"""
        )
        while ask(left) == 2 * LONG:
            if time.perf_counter() - begun > _LONGEST:
                raise SystemExit(f"not all {table.name} are noted after {_LONGEST:.0f} s")
            time.sleep(0.5)
    return time.perf_counter() - begun


async def _open_once(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


def _by_kind(batch: list[Record]) -> Iterator[tuple[type[Record], list[tuple[object, ...]]]]:
    rows: dict[type[Record], list[tuple[object, ...]]] = {}
    for record in batch:
        rows.setdefault(type(record), []).append(CODECS[type(record)].row(record))
    yield from rows.items()
