"""The database: SQLite in Studio's folder, or whatever SQLAlchemy URL it is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, create_engine, event, make_url
from sqlalchemy.orm import Session

from ringback_video.migrations import upgrade


class Database:
    """Gives sessions, each of them one transaction; the schema is brought up to date first.

    Args:
        url: SQLAlchemy URL; a plain `postgres://` or `postgresql://` is understood.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(_with_driver(url), pool_pre_ping=True)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        with self._engine.begin() as connection:
            upgrade(connection)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: written as a whole when the block ends, not at all when it raises."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()


def _with_driver(url: str) -> URL:
    """Return the URL with our driver for PostgreSQL where it names none."""
    parts = make_url(url)
    return parts.set(drivername="postgresql+psycopg") if parts.drivername in ("postgres", "postgresql") else parts


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Two workers may write at once: the second waits, and sees what the first has written."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
