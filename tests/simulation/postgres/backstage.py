"""The real server, and a loop of its own that moves only when it is told to: virtual time stands still meanwhile."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

import asyncpg

from ringback.broker.records import Record
from ringback.broker.stores.postgres import schema
from ringback.broker.stores.postgres.connections import connect
from ringback.broker.stores.rows import CODECS, TABLES

T = TypeVar("T")

TIMEOUT_MS = 600_000
_A_MOMENT = 0.004
"""Seconds after which it is asked whether a statement waits for a lock; the server has looked for a deadlock by then."""
_LIMIT = 60.0
_QUICK = (
    "SET deadlock_timeout = '1ms'; SET synchronous_commit = 'local'; SET statement_timeout = 0;"
    " SET idle_in_transaction_session_timeout = 0"
)
"""The scheduler of the simulation keeps these times in virtual seconds; only the server can look for deadlocks."""
_BLOCKERS = "SELECT pid, pg_blocking_pids(pid) FROM unnest($1::int[]) AS waiting (pid)"
_WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_get_activity($1)"

Connection = asyncpg.Connection


class Backstage:
    """Connections to one database, which are used again by one history after the other.

    Args:
        address: of a database for this alone.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._free: list[Connection] = []
        self.run(schema.migrate(address))
        self._observer = self.run(connect(address, TIMEOUT_MS))
        for table in TABLES.values():
            self.run(self._observer.execute(f"ALTER TABLE {table.name} SET (autovacuum_enabled = off)"))

    def run(self, awaitable: Awaitable[T]) -> T:
        """Let the server and the connections work until something is there; to be called outside of any task."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self._loop.run_until_complete(awaitable)
        finally:
            asyncio._set_running_loop(outer)

    def begin(self, coroutine: Any) -> "asyncio.Task[Any]":
        """Begin what takes its time; it moves while something is run."""
        return self._loop.create_task(coroutine)

    def take(self) -> Connection:
        """Return a connection that nobody uses."""
        if self._free:
            return self._free.pop()
        connection = self.run(connect(self._address, TIMEOUT_MS))
        self.run(connection.execute(_QUICK))
        return connection

    def give(self, connection: Connection) -> None:
        """Give a connection back that has nothing open."""
        self._free.append(connection)

    def empty(self) -> None:
        """Remove all records, and what they have left in the files: a history must not depend on the one before."""
        sizes = ", ".join(f"pg_relation_size('{table.name}')" for table in TABLES.values())
        found = self.run(self._observer.fetchrow(f"SELECT {sizes}"))
        used = [table.name for table, size in zip(TABLES.values(), found or (), strict=True) if size]
        if used:
            self.run(self._observer.execute(f"TRUNCATE {', '.join(used)}"))

    def records(self) -> dict[type[Record], dict[tuple[Any, ...], Record]]:
        """Return all that is in the database."""
        found: dict[type[Record], dict[tuple[Any, ...], Record]] = {}
        for kind, table in TABLES.items():
            codec = CODECS[kind]
            rows = self.run(self._observer.fetch(f"SELECT record FROM {table.name}"))
            found[kind] = {codec.key(record): record for record in (codec.record(row[0]) for row in rows)}
        return found

    def time(self) -> float:
        """Return the real time, in seconds."""
        return self._loop.time()

    def work(self, task: "asyncio.Task[Any]") -> None:
        """Let the server work until this is done, for a moment at most."""
        self.run(asyncio.wait({task}, timeout=_A_MOMENT))

    def blockers(self, pids: Iterable[int]) -> dict[int, Sequence[int]]:
        """Return for each session whom it waits for."""
        return {row[0]: row[1] for row in self.run(self._observer.fetch(_BLOCKERS, [*pids]))}

    def hold(self, connection: Connection) -> bool:
        """Let the server's process of a session stand still that waits for a lock; tell whether it does.

        Where it does anything but wait, it may have something that all others need.
        """
        pid = connection.get_server_pid()
        os.kill(pid, signal.SIGSTOP)
        waits = bool(self.run(self._observer.fetchval(_WAITS, pid)))
        if not waits:
            self.let_go(connection)
        return waits

    def let_go(self, connection: Connection) -> None:
        """Let it stand still no more."""
        os.kill(connection.get_server_pid(), signal.SIGCONT)

    def cancel(self, connection: Connection, task: "asyncio.Task[Any]") -> None:
        """Break a statement off that waits for a lock and stands still."""
        self.run(self._observer.fetch("SELECT pg_cancel_backend($1)", connection.get_server_pid()))
        self.let_go(connection)
        self.run(asyncio.wait({task}, timeout=_LIMIT))

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._free, self._observer):
            self.run(connection.close(timeout=5))
        self._loop.close()
