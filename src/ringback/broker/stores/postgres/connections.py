"""Connections to PostgreSQL, set up the same way everywhere."""

from typing import Any
from urllib.parse import urlsplit

import asyncpg

from ringback.broker.stores.contract import StoreUnavailable

SCHEMA = "ringback"
"""The schema that holds everything, so that a database can be shared with an application."""
_CONNECT_SECONDS = 5
_LEAST_PATIENCE = 10
"""Seconds a statement is given at least; a server that does not answer for longer counts as away."""
LONG = 6 * 3600
"""Seconds that a statement is given which goes through all there is: an index is made, a table is copied."""
_STATEMENTS_KEPT = 1000

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that was cut off while nobody looked
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""What is raised when the server is away; the next connection may find it again."""


async def connect(url: str, timeout_ms: int, patience: int | None = None) -> "asyncpg.Connection[Any]":
    """Return a connection.

    A process that hangs in the middle of a transaction must not block the others: the server ends such a session, well before
    the others take the process for dead.

    Args:
        url: where.
        timeout_ms: after how long a silent node is taken for dead.
        patience: seconds that a statement is given; those of a broker get as long as it takes to be taken for dead.

    Raises:
        StoreUnavailable: the server cannot be reached, or does not let us in.
    """
    patience = patience or max(_LEAST_PATIENCE, timeout_ms // 1000)
    try:
        connection = await asyncpg.connect(
            url, timeout=_CONNECT_SECONDS, command_timeout=patience + 1, statement_cache_size=_STATEMENTS_KEPT
        )
        try:
            await connection.execute(_session(timeout_ms, patience))
        except BaseException:
            connection.terminate()
            raise
    except LOST as error:
        raise StoreUnavailable(f"cannot reach the database at {place(url)}: {told(error)}") from error
    except (asyncpg.PostgresError, ValueError) as error:
        raise StoreUnavailable(f"cannot open the database at {place(url)}: {told(error)}") from error
    return connection


async def end(connection: "asyncpg.Connection[Any] | None") -> None:
    """Close a connection, whatever state it is in."""
    if connection is not None and not connection.is_closed():
        try:
            await connection.close(timeout=1)
        except (*LOST, asyncpg.PostgresError):
            connection.terminate()


def place(url: str) -> str:
    """Return an address without its secrets."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def told(error: BaseException) -> str:
    """Return an error's text, or its name where it has none."""
    return str(error) or type(error).__name__


def _session(timeout_ms: int, patience: int) -> str:
    """Every query of ours is made for an index: plans must not depend on what the statistics say at the moment."""
    settings = {
        "search_path": SCHEMA,
        "jit": "off",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "plan_cache_mode": "force_generic_plan",
        "statement_timeout": f"{patience}s",
        "idle_in_transaction_session_timeout": f"{max(500, timeout_ms // 3)}ms",
        "application_name": "ringback",
    }
    lines = [f"SET {name} = '{value}'" for name, value in settings.items()]
    lines.append(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    return "; ".join(lines)
