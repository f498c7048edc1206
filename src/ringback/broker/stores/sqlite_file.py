"""A SQLite file: held by one process at a time, opened the same way everywhere, brought up to date."""

import fcntl
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import apsw

from ringback.broker.records import Record
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.rows import CODECS, Codec
from ringback.broker.stores.sqlite_schema import SCHEMA_VERSION, migrate, version_of

_log = logging.getLogger("ringback.sqlite")


class Opened(NamedTuple):
    """A file that is held.

    Attributes:
        connection: to it, with the schema of this release.
        former: the schema it had; 0 for one that was empty.
    """

    connection: apsw.Connection
    former: int


@contextmanager
def opened(path: Path, codecs: Mapping[type[Record], Codec] = CODECS, *, keep: bool = True) -> Iterator[Opened]:
    """Hold a file for the length of a block; it is made, or brought up to date.

    Args:
        path: where it is.
        codecs: read its records, which may be sealed.
        keep: whether it stays brought up to date; if not, nothing that is written in the block stays, and the file is as it was.

    Raises:
        StoreUnavailable: it cannot be opened, is held by another process, comes from a newer release, or has records that
            cannot be read.
    """
    with ExitStack() as held:
        try:
            held.enter_context(lock(path))
            path.touch(mode=0o600)  # payloads and signing keys stand in it; one that is there keeps its mode
            connection = held.enter_context(closing(connect(path)))
            if not keep:
                connection.execute("BEGIN IMMEDIATE")
                held.callback(connection.execute, "ROLLBACK")
            former = version_of(connection)
            if 0 < former < SCHEMA_VERSION and keep:
                _log.info("the database %s is brought from schema %s to %s", path, former, SCHEMA_VERSION)
            migrate(connection, path, codecs)
        except (apsw.Error, OSError) as error:
            raise StoreUnavailable(f"cannot open the database {path}: {error}") from error
        yield Opened(connection, former)


def lock(path: Path) -> BinaryIO:
    """Hold a lock beside the file: two processes would attempt the same messages."""
    try:
        held = path.with_name(f"{path.name}.lock").open("wb")
    except OSError as error:
        raise StoreUnavailable(f"cannot open the database {path}: {error}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise StoreUnavailable(f"the database {path} is in use by another broker") from error
    return held


def connect(path: Path) -> apsw.Connection:
    """Return a connection that is set up as all of ours are."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA cache_size = -16384")
    return connection
