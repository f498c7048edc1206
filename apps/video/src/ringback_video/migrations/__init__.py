"""The database's schema, brought up to date at start: one file for each change, in `versions`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

_FOLDER = Path(__file__).parent
_FIRST = "0001"
_LOCK = 0x5669_6465_6F53


def upgrade(connection: Connection, to: str = "head") -> None:
    """Apply what is missing, within the connection's transaction: all of it or nothing.

    Processes that start at once wait for each other: SQLite's transaction is taken for writing when it begins, on
    PostgreSQL a lock is held until it ends.

    Args:
        connection: in a transaction.
        to: the version to end at.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    tables = inspect(connection).get_table_names()
    if "jobs" in tables and "alembic_version" not in tables:
        command.stamp(config, _FIRST)  # made before there were migrations: it has what the first one makes
    command.upgrade(config, to)
