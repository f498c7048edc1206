"""The schema in PostgreSQL: numbered migrations, forward only, each written so that the release before it works on."""

import asyncio
import logging
import re
from importlib import resources
from typing import Any

import asyncpg
from msgspec import Struct

from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.postgres import indexes
from ringback.broker.stores.postgres.connections import LONG, LOST, SCHEMA, connect, place, told

_log = logging.getLogger("ringback.postgres")

_DOOR = 7_411_904_512
"""Advisory lock that whoever migrates holds."""
_KNOCK_S = 0.1
"""Seconds after which somebody who waits for it asks again."""

_MIGRATIONS = (
    "CREATE TABLE migrations (number int PRIMARY KEY, name text NOT NULL, oldest int NOT NULL,"
    " at timestamptz NOT NULL DEFAULT now())"
)
_TIMEOUT_MS = 15_000
_LOCK_MS = 1000
"""How long a migration waits for a table, and everybody else for it."""
_PAUSE_S = 2.0
_PATIENCE_S = 60.0
"""How long it tries."""


class Migration(Struct, frozen=True):
    """One step of the schema.

    Attributes:
        number: its place, from 1.
        name: what it is called.
        oldest: the schema that a broker must at least have been made for, to work on this one.
        statements: SQL.
    """

    number: int
    name: str
    oldest: int
    statements: str


def migrations() -> list[Migration]:
    """Return all migrations, in order."""
    folder = resources.files("ringback.broker.stores.postgres") / "migrations"
    return [_read(file.name, file.read_text()) for file in sorted(folder.iterdir(), key=lambda one: one.name)]


async def migrate(url: str, timeout_ms: int = _TIMEOUT_MS, upto: int | None = None) -> list[Migration]:
    """Bring a database up to date; return what was done.

    Each migration is one transaction: whoever is killed in between leaves whole ones behind, and the next run does the rest.
    One that only makes indexes makes each by itself, beside the work of brokers; what was not finished is made anew.
    One that needs a table for itself, while a dump or a report holds it, asks for a moment only and then tries again: what
    waits behind it is the brokers' work.

    Args:
        url: where.
        timeout_ms: after how long a silent node is taken for dead.
        upto: last migration to run; all of them without.

    Raises:
        StoreUnavailable: the server cannot be reached, refuses, its schema is too new for this release, or a table is in use.
    """
    known = migrations()
    connection = await connect(url, timeout_ms, LONG)
    try:
        done = await _version(connection)
        if done is None or done[0] < known[-1].number:
            return await _run(connection, [one for one in known if upto is None or one.number <= upto])
        if done[1] > known[-1].number:
            raise StoreUnavailable(
                f"the database at {place(url)} was made by a newer release (schema {done[0]}, which needs a broker for"
                f" schema {done[1]}; this one knows {known[-1].number})"
            )
    except (asyncpg.PostgresError, *LOST) as error:
        raise StoreUnavailable(f"cannot migrate the database at {place(url)}: {told(error)}") from error
    finally:
        await connection.close()
    return []


async def pending(url: str) -> list[Migration]:
    """Return what `migrate` would do.

    Raises:
        StoreUnavailable: the server cannot be reached, or refuses.
    """
    connection = await connect(url, _TIMEOUT_MS)
    try:
        done = await _version(connection)
    except (asyncpg.PostgresError, *LOST) as error:
        raise StoreUnavailable(f"cannot look at the database at {place(url)}: {told(error)}") from error
    finally:
        await connection.close()
    return [one for one in migrations() if done is None or one.number > done[0]]


async def _run(connection: "asyncpg.Connection[Any]", known: list[Migration]) -> list[Migration]:
    await _come_in(connection)
    return [one for one in known if await _ran(connection, one)]


async def _come_in(connection: "asyncpg.Connection[Any]") -> None:
    """Wait until nobody else migrates; the end of the connection lets the next one in.

    Whoever waits keeps no transaction open meanwhile: an index that is being made would wait for its end.
    """
    waits = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _DOOR):
        if not waits:
            _log.info("another process migrates the database; waiting until it is through")
        waits = True
        await asyncio.sleep(_KNOCK_S)


async def _ran(connection: "asyncpg.Connection[Any]", one: Migration) -> bool:
    """Run a migration, unless it was run; as long as a table is in use, try again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE_S
    while True:
        try:
            return await _run_one(connection, one)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if loop.time() > end:
                raise StoreUnavailable(
                    f"migration {one.number} ({one.name}) cannot begin: a table is in use by another session, perhaps a dump"
                    f" or a report, for more than {_PATIENCE_S} s; nothing of it was done, try again when that is over"
                ) from error
            _log.info("migration %s waits: a table is in use by another session", one.number)
        await asyncio.sleep(_PAUSE_S)


async def _run_one(connection: "asyncpg.Connection[Any]", one: Migration) -> bool:
    done = await _version(connection)
    if done is not None and one.number <= done[0]:
        return False
    _log.info("migration %s: %s", one.number, one.name)
    beside = indexes.made_beside(one.statements)
    for name, statement in beside.items():
        await indexes.make(connection, name, statement)
    async with connection.transaction():
        if done is None:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            await connection.execute(_MIGRATIONS)
        if not beside:
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_MS}ms'")
            await connection.execute(one.statements)
        await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", one.number, one.name, one.oldest)
    return True


async def _version(connection: "asyncpg.Connection[Any]") -> tuple[int, int] | None:
    """Return the schema's number, and what a broker must know to work on it; None for an empty database."""
    there = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations'"
    if (
        await connection.fetchval(there, SCHEMA) is None
    ):  # `to_regclass` would look into a cache that may be out of date
        return None
    row = await connection.fetchrow("SELECT coalesce(max(number), 0), coalesce(max(oldest), 0) FROM migrations")
    return row[0], row[1]


def _read(name: str, text: str) -> Migration:
    """A migration is called `0001_what_it_does.sql` and begins with `-- oldest: 1`."""
    number, _, rest = name.removesuffix(".sql").partition("_")
    oldest = re.match(r"-- oldest: (\d+)", text)
    if oldest is None:
        raise AssertionError(f"migration {name} does not say which broker can still work on it")
    return Migration(int(number), rest.replace("_", " "), int(oldest[1]), text)
