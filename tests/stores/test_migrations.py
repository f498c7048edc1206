"""Migrations of a database that is at work: long ones, tables in use, and kills in the middle."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.postgres import connections, schema
from ringback.broker.stores.postgres.indexes import made_beside
from ringback.broker.stores.postgres.schema import Migration
from stores.test_upgrade import OLDER
from support.endpoint import LIMIT
from support.postgres import Server

_KILLED = Path(__file__).with_name("killed_migration.py")
Next = Callable[[str], int]


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Next:
    """Add a migration after those there are; gives its number."""

    def add(statements: str) -> int:
        known = schema.migrations()
        number = known[-1].number + 1
        monkeypatch.setattr(schema, "migrations", lambda: [*known, Migration(number, "next", 1, statements)])
        return number

    return add


async def until(connection: Any, question: str) -> None:
    async with asyncio.timeout(LIMIT):
        while not await connection.fetchval(question):
            await asyncio.sleep(0.01)


async def test_a_migration_may_take_longer_than_statements_of_brokers(
    postgres: Server, following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LEAST_PATIENCE", 1)
    number = following("SELECT pg_sleep(2.5)")
    address = postgres.fresh()
    first, second = await asyncio.gather(schema.migrate(address, 1000), schema.migrate(address, 1000))
    assert len(first) + len(second) == number


async def test_a_migration_that_waits_for_a_table_lets_brokers_go_on_meanwhile(
    postgres: Server, following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOCK_MS", 200)
    monkeypatch.setattr(schema, "_PAUSE_S", 0.1)
    address = postgres.fresh()
    await schema.migrate(address)
    number = following("ALTER TABLE runs ADD COLUMN of_the_next_release bigint")
    report, broker = await asyncpg.connect(address), await asyncpg.connect(address)
    await broker.execute("SET statement_timeout = '5s'")
    async with report.transaction():
        await report.fetch("SELECT count(*) FROM ringback.runs")
        migrating = asyncio.create_task(schema.migrate(address))
        await until(broker, "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        await broker.fetch("SELECT count(*) FROM ringback.runs")  # would be canceled if it had to wait for the report
        assert not migrating.done()
    assert [one.number for one in await migrating] == [number]
    await report.close()
    await broker.close()


async def test_a_table_that_stays_in_use_is_told_and_nothing_is_changed(
    postgres: Server, following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOCK_MS", 50)
    monkeypatch.setattr(schema, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(schema, "_PAUSE_S", 0.1)
    address = postgres.fresh()
    await schema.migrate(address)
    number = following("ALTER TABLE runs ADD COLUMN of_the_next_release bigint")
    report = await asyncpg.connect(address)
    async with report.transaction():
        await report.fetch("SELECT count(*) FROM ringback.runs")
        with pytest.raises(StoreUnavailable, match=f"migration {number} .*: a table is in use"):
            await schema.migrate(address)
    assert [one.number for one in await schema.pending(address)] == [number]
    await report.close()


_INDEX = "CREATE INDEX CONCURRENTLY runs_of_next ON runs (seq) WHERE seq > 7; -- of the next release"
_WAITS = (
    "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY runs_of_next%'"
    " AND wait_event = 'virtualxid'"
)
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ringback.runs_of_next'::regclass"


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[None]:
    """Hold what a report or a dump sees, for the length of a block."""
    report = await asyncpg.connect(address)
    async with report.transaction(isolation="repeatable_read"):
        await report.fetch("SELECT count(*) FROM ringback.runs")
        yield
    await report.close()


async def test_writers_go_on_while_an_index_is_made(postgres: Server, following: Next) -> None:
    address = postgres.fresh()
    await schema.migrate(address)
    number = following(_INDEX)
    broker = await asyncpg.connect(address)
    await broker.execute("SET lock_timeout = '1s'")
    async with reading(address):
        migrating = asyncio.create_task(schema.migrate(address))
        await until(broker, _WAITS)
        await broker.execute("INSERT INTO ringback.runs (seq, record) VALUES (8, '')")
        await broker.execute("UPDATE ringback.runs SET record = '.' WHERE seq = 8")
        another = asyncio.create_task(schema.migrate(address))
        await until(broker, "SELECT count(*) > 1 FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%'")
        assert not migrating.done()
    assert [one.number for one in await migrating] == [number]
    assert await another == []
    assert await broker.fetchval(_IS_VALID)
    await broker.close()


async def test_an_index_that_was_broken_off_is_made_anew(postgres: Server, following: Next) -> None:
    address = postgres.fresh()
    await schema.migrate(address)
    number = following(_INDEX)
    broker = await asyncpg.connect(address)
    async with reading(address):
        migrating = asyncio.create_task(schema.migrate(address))
        await until(broker, _WAITS)
        await broker.execute(f"SELECT pg_terminate_backend(({_WAITS}))")
        with pytest.raises(StoreUnavailable, match="cannot migrate the database"):
            await migrating
    assert await broker.fetchval(_IS_VALID) is False
    assert [one.number for one in await schema.pending(address)] == [number]
    assert [one.number for one in await schema.migrate(address)] == [number]
    assert await broker.fetchval(_IS_VALID)
    await broker.close()


def test_an_index_of_a_table_that_is_in_use_is_made_beside_the_work_on_it() -> None:
    for one in schema.migrations():
        made = set(re.findall(r"CREATE TABLE (\w+)", one.statements))
        indexed = set(re.findall(r"CREATE (?:UNIQUE )?INDEX \w+\s+ON (\w+)", one.statements))
        assert indexed <= made, f"{one.name}: CREATE INDEX CONCURRENTLY, or writers wait for the length of it"


def test_indexes_that_are_made_beside_the_work_are_a_migration_of_their_own() -> None:
    with pytest.raises(ValueError, match="does nothing else: ALTER TABLE runs ADD COLUMN a int"):
        made_beside(f"{_INDEX}\nALTER TABLE runs ADD COLUMN a int;")


def test_killed_before_any_statement_a_migration_on_postgresql_is_begun_again(postgres: Server) -> None:
    """Whatever was recorded is there whole; the next run does the rest, and the schema is the one of an undisturbed run."""
    line = [sys.executable, str(_KILLED), postgres.fresh()]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert told["killed"] > 3 * len(schema.migrations())


def test_killed_before_any_statement_a_file_is_as_it_was_and_taken_on_at_the_next_start(tmp_path: Path) -> None:
    line = [sys.executable, str(_KILLED), str(OLDER / "schema_1.sql"), str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert told["killed"] > 40
