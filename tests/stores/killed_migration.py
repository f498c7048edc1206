"""Migrate again and again, each time killed before one statement further, and look at what is left.

    python killed_migration.py postgresql://127.0.0.1/empty       # an empty database
    python killed_migration.py older/schema_3.sql FOLDER          # files that an older release has written

Prints how many times it was killed, and what was wrong afterwards. A process of its own, because it forks.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from ringback.broker.stores import sqlite_file
from ringback.broker.stores.postgres import schema
from ringback.broker.stores.sqlite_schema import SCHEMA_VERSION

_LAID_OUT = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'ringback'
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'ringback' ORDER BY 1, 2
"""


def killed_at(step: int, act: Callable[[Callable[[], None]], None]) -> bool:
    """Do something in a process that is killed before its statement `step`; tell whether it came so far."""
    child = os.fork()
    if child == 0:
        statements = count(1)

        def before() -> None:
            if next(statements) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            act(before)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, f"not killed at step {step}, and failed"
    return False


def migrate_database(address: str, before: Callable[[], None]) -> None:
    """Run all migrations."""
    run: Any = asyncpg.Connection.execute

    async def execute(self: Any, *arguments: Any, **options: Any) -> Any:
        before()
        return await run(self, *arguments, **options)

    asyncpg.Connection.execute = execute
    asyncio.run(schema.migrate(address))


async def _left(address: str, expected: list[tuple[Any, ...]]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Look at what a migration has left, do the rest of it, and empty the database."""
    problems = []
    known = [one.number for one in schema.migrations()]
    pending = [one.number for one in await schema.pending(address)]
    ran = [one.number for one in await schema.migrate(address)]
    if pending != known[len(known) - len(pending) :] or ran != pending:
        problems.append(f"pending {pending}, then done {ran}")
    connection = await asyncpg.connect(address)
    found = [tuple(row) for row in await connection.fetch(_LAID_OUT)]
    await connection.execute("DROP SCHEMA ringback CASCADE")
    await connection.close()
    if expected and found != expected:
        problems.append("another schema than undisturbed")
    return problems, found


def databases(address: str) -> tuple[int, list[str]]:
    """Kill migrations of a database."""
    problems: list[str] = []
    expected: list[tuple[Any, ...]] = []
    for step in count(0):  # none is killed before statement 0
        killed = killed_at(step, lambda before: migrate_database(address, before))
        wrong, found = asyncio.run(_left(address, expected))
        expected = expected or found
        problems += [f"killed before statement {step}: {one}" for one in wrong]
        if step and not killed:
            return step - 1, problems
    raise AssertionError


def migrate_file(path: Path, before: Callable[[], None]) -> None:
    """Open a file as a broker does that starts."""
    connect = sqlite_file.connect

    def traced(place: Path) -> apsw.Connection:
        connection = connect(place)

        def trace(*_: object) -> bool:
            before()
            return True

        connection.exec_trace = trace
        return connection

    sqlite_file.connect = traced
    with sqlite_file.opened(path):
        pass


def _contents(path: Path) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    found = [*connection.execute("PRAGMA user_version"), *connection.execute("PRAGMA integrity_check")]
    tables = [*connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")]
    for name, sql in tables:
        if sql and sql.startswith("CREATE TABLE"):
            found.append((name, sql))
            found += connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")
    connection.close()
    return found


def files(written: Path, folder: Path) -> tuple[int, list[str]]:
    """Kill starts on a file."""
    problems = []
    expected: list[tuple[Any, ...]] = []
    for step in count(0):
        path = folder / f"{step}.db"
        connection = sqlite3.connect(path)
        connection.executescript(written.read_text())
        connection.close()
        older = _contents(path)
        killed = killed_at(step, lambda before, path=path: migrate_file(path, before))  # type: ignore[misc]
        if killed and _contents(path) != older:
            problems.append(f"killed before statement {step}: the file is not as it was")
        with sqlite_file.opened(path) as there:
            if killed != (there.former < SCHEMA_VERSION):
                problems.append(f"killed before statement {step}: schema {there.former}")
        found = _contents(path)
        expected = expected or found
        if found != expected:
            problems.append(f"killed before statement {step}: another file than undisturbed")
        for part in folder.glob(f"{step}.db*"):
            part.unlink()
        if step and not killed:
            return step - 1, problems
    raise AssertionError


if __name__ == "__main__":
    times, wrong = databases(sys.argv[1]) if len(sys.argv) == 2 else files(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"killed": times, "problems": wrong}))
