"""A file that an older release has written, with something of everything in it, is taken on as it is."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import httpx
import pytest

from ringback import clock
from ringback.broker.records import Lane
from ringback.broker.stores import sql, sqlite_schema
from ringback.broker.stores.rows import CODECS, TABLES
from support.clock import set_clock
from support.endpoint import listening
from support.process import running

OLDER = Path(__file__).parent / "older"
_WRITTEN_FOR = "45678"
"""Port of the endpoint in the files; another one of five digits takes its place."""


def restored(name: str, to: Path, port: str) -> int:
    """Make the database that was written down; return when the last message in it was to come."""
    text = (OLDER / name).read_text()
    for old, new in ((_WRITTEN_FOR, port), (_WRITTEN_FOR.encode().hex(), port.encode().hex())):
        text = text.replace(old, new)
    connection = sqlite3.connect(to)
    connection.executescript(text)
    (last,) = connection.execute("SELECT max(due_at) FROM deliveries").fetchone()
    connection.close()
    return int(last)


def columns(database: Path) -> set[tuple[str, str]]:
    """Return all columns of a database."""
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {(table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})")}
    connection.close()
    return found


def indexes(database: Path) -> set[str]:
    """Return how the indexes of a database are declared; a query finds one of rare values by its condition, word for word."""
    connection = sqlite3.connect(database)
    found = {
        text for (text,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")
    }
    connection.close()
    return found


@pytest.mark.parametrize("name", sorted(one.name for one in OLDER.glob("*.sql")))
def test_what_waits_in_an_older_file_is_delivered(tmp_path: Path, name: str) -> None:
    database, fresh = tmp_path / "ringback.db", tmp_path / "fresh.db"
    with set_clock(tmp_path) as wall, listening() as endpoint:
        last = restored(name, database, endpoint.url.rpartition(":")[2])
        wall.set((last - clock.now()) // 1000 + 3600)
        with running(database) as broker:
            for path in (
                "delayed",
                "fail-once-more",
                "called-back",
                "callback",
                "first",
                "second",
                "member",
                "rated-2",
            ):
                (request,) = endpoint.wait_for(1, f"/{path}")
                assert path == "callback" or request.body == b"body"
            endpoint.wait_for(1, "/tick")
            endpoint.wait_for(1, "/run")
            headers = {"Authorization": f"Bearer {broker.token}"}
            letters = httpx.get(f"{broker.url}/v2/dlq", headers=headers).json()["messages"]
            # schema 1, which was in no release, did not write down what histories are filtered by, and thereby listed by
            wanted = [] if name == "schema_1.sql" else ["/fail-for-ever"]
            assert [letter["url"].removeprefix(endpoint.url) for letter in letters] == wanted
        with running(fresh):
            pass
    assert columns(database) >= columns(fresh)
    assert indexes(database) >= indexes(fresh)
    looked = subprocess.run(
        [sys.executable, "-m", "ringback", "doctor", "--db", str(database)], capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stdout


def test_a_table_is_taken_on_some_records_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_schema, "_AT_ONCE", 2)
    connection = apsw.Connection(":memory:")
    sqlite_schema.migrate(connection, tmp_path)
    lanes = [Lane(tenant, "queue", name, wake_at=len(name)) for tenant in "ab" for name in ("", "x", "xx")]
    rows = [CODECS[Lane].row(lane) for lane in lanes]
    connection.executemany(sql.put_statement(TABLES[Lane]), rows)
    connection.execute("DROP INDEX lanes_by_wake_at; ALTER TABLE lanes DROP COLUMN wake_at; PRAGMA user_version = 1")
    sqlite_schema.migrate(connection, tmp_path)
    assert list(connection.execute("SELECT wake_at FROM lanes ORDER BY tenant, name")) == [(0,), (1,), (2,)] * 2
