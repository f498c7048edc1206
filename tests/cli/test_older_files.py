"""`ringback migrate` and `ringback copy` on SQLite files that an older release has written, also encrypted ones."""

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from ringback.broker.stores.seal import sealed
from ringback.broker.stores.sqlite import SqliteStore
from ringback.broker.stores.sqlite_schema import SCHEMA_VERSION
from ringback.cli.commands import ringback
from stores.test_upgrade import OLDER, restored
from support.inprocess import inprocess
from support.postgres import Server

KEY = bytes(range(32))
KEYS = {"RINGBACK_ENCRYPTION_KEYS": urlsafe_b64encode(KEY).decode()}


def run(*line: str, **environment: str) -> Result:
    return CliRunner().invoke(ringback, line, env={"RINGBACK_ENCRYPTION_KEYS": None, **environment})


def laid_out(file: Path) -> list[tuple[object, ...]]:
    """Return all that says how a file is laid out."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    found = [
        *connection.execute("PRAGMA user_version"),
        *connection.execute("SELECT sql FROM sqlite_master ORDER BY 1"),
    ]
    connection.close()
    return found


def counted(file: Path, table: str) -> str:
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    (count,) = next(connection.execute(f"SELECT count(*) FROM {table}"))
    connection.close()
    return str(count)


@pytest.fixture
def older_sealed(tmp_path: Path) -> Path:
    """An encrypted file with a run in it, as a release of schema 4 leaves it."""
    path = tmp_path / "sealed.db"

    async def fill() -> None:
        async with inprocess(SqliteStore(path, sealed([KEY]))) as ringed:
            await ringed.call("POST", "/v2/trigger/https://app.example/run", upstash_delay="1h")

    asyncio.run(fill())
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    for name in ("runs_by_facets_state_seq", "runs_without_facets", "runs_by_rare_state"):
        connection.execute(f"DROP INDEX {name}")
    connection.execute("ALTER TABLE runs DROP COLUMN facets; DROP TABLE stretches; DROP TABLE removals")
    connection.execute("PRAGMA user_version = 4")
    connection.close()
    return path


@pytest.mark.parametrize("name", sorted(one.name for one in OLDER.glob("*.sql")))
def test_an_older_file_is_copied_whole_and_stays_as_it_is(postgres: Server, tmp_path: Path, name: str) -> None:
    file, address = tmp_path / "ringback.db", postgres.fresh()
    restored(name, file, "45678")
    before = laid_out(file)
    copied = run("copy", str(file), address)
    assert copied.exit_code == 0, copied.output
    assert laid_out(file) == before
    assert not list(tmp_path.glob("*-wal"))
    for table in ("messages", "deliveries", "events", "dead_letters", "schedules", "lanes", "runs"):
        there = postgres.query(address.rpartition("/")[2], f"SELECT count(*) FROM ringback.{table}")
        assert there == counted(file, table), table


def test_an_older_encrypted_file_is_copied_with_its_key(postgres: Server, older_sealed: Path) -> None:
    address, before = postgres.fresh(), laid_out(older_sealed)
    refused = run("copy", str(older_sealed), address)
    assert refused.exit_code == 1
    assert "RINGBACK_ENCRYPTION_KEYS is not set" in refused.output
    copied = run("copy", str(older_sealed), address, **KEYS)
    assert copied.exit_code == 0, copied.output
    assert laid_out(older_sealed) == before
    assert postgres.query(address.rpartition("/")[2], "SELECT count(*) FROM ringback.runs") == "1"


def test_an_older_encrypted_file_is_brought_up_to_date_with_its_key(older_sealed: Path) -> None:
    before = laid_out(older_sealed)
    refused = run("migrate", "--db", str(older_sealed))
    assert refused.exit_code == 1
    assert "RINGBACK_ENCRYPTION_KEYS is not set" in refused.output
    assert laid_out(older_sealed) == before
    done = run("migrate", "--db", str(older_sealed), **KEYS)
    assert (done.exit_code, done.output) == (0, f"schema 4 became schema {SCHEMA_VERSION}\n")
    again = run("migrate", "--db", str(older_sealed))
    assert (again.exit_code, again.output) == (0, "the database is up to date\n")
