"""Copies of a SQLite store: made while a broker works on it, checked, and put back."""

import os
from itertools import count
from pathlib import Path

import apsw

from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.problem import Problem
from ringback.broker.stores.sqlite_file import lock
from ringback.broker.stores.sqlite_schema import SCHEMA_VERSION

_PAGES = 1000
"""Pages copied at a time; between them a broker's writes go on."""
_OWNER_ONLY = 0o600
"""Payloads and signing keys stand in a copy."""
_GO_BACK = (
    "put the last good copy back (`ringback restore`): what is here is kept beside it; then have the disk looked at"
)
_BELONGS = (
    (
        "messages that are to be delivered and are not there",
        "SELECT count(*) FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.seq = d.seq)",
    ),
    (
        "deliveries that stand in no place or in several at once",
        "SELECT count(*) FROM deliveries WHERE (wake_at IS NOT NULL) + (lane IS NOT NULL) + (lease IS NOT NULL) != 1",
    ),
    (
        "dead letters without their message",
        "SELECT count(*) FROM dead_letters l WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.seq = l.message)",
    ),
    (
        "active ids of runs that are not there",
        "SELECT count(*) FROM active_runs a WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = a.run_id)",
    ),
)
_INDEX_OF_EVENTS = """SELECT count(*) FROM events e WHERE e.pos <= (SELECT upto FROM indexed WHERE "of" = 'events') AND NOT EXISTS
    (SELECT 1 FROM events_deferred_index i WHERE i.facets = e.facets AND i.state = e.state AND i.pos = e.pos)"""
"""From schema 8 on."""


def backup(source: Path, to: Path) -> str:
    """Copy a store into a new file; return what was copied.

    Raises:
        StoreUnavailable: there is no store, it cannot be read, or the copy is not whole.
        FileExistsError: the file is there already.
    """
    if to.exists():
        raise FileExistsError(f"{to} is there already")
    unfinished = to.with_name(f"{to.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    _copy(source, unfinished)
    _hold(unfinished)
    _sync(unfinished)
    unfinished.rename(to)
    return _told(to)


def restore(copy: Path, to: Path) -> str:
    """Put a copy in the place of a store; return what is in it.

    Raises:
        StoreUnavailable: the copy is not whole, comes from a newer release, or a broker works on the store.
    """
    _hold(copy)
    held = lock(to)
    try:
        fresh = to.with_name(f"{to.name}.unfinished")
        fresh.unlink(missing_ok=True)
        _copy(copy, fresh)
        _own(fresh, like=to)
        _sync(fresh)
        kept = _free(to)
        for ending in ("-wal", "-shm", ""):  # what belongs to the old file must not be taken for the new one's
            part = to.with_name(f"{to.name}{ending}")
            if part.exists():
                part.rename(kept.with_name(f"{kept.name}{ending}"))
        fresh.rename(to)
    finally:
        held.close()
    return _told(to)


def problems(path: Path) -> list[Problem]:
    """Return what is wrong with a store; nothing if it is whole.

    Raises:
        StoreUnavailable: there is no store at this place.
    """
    connection = _open(path)
    try:
        version = next(connection.execute("PRAGMA user_version"))[0]
        if version > SCHEMA_VERSION:
            text = f"it was written by a newer release (schema {version}, this one knows {SCHEMA_VERSION})"
            return [Problem(text, "install that release, or a newer one")]
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        if found:
            return [Problem(text, _GO_BACK) for text in found]
        asked = [*_BELONGS, *([("events that their index lacks", _INDEX_OF_EVENTS)] if version >= 8 else [])]
        counted = [(next(connection.execute(statement))[0], what) for what, statement in asked]
        return [Problem(f"{number} {what}", _GO_BACK) for number, what in counted if number]
    except apsw.Error as error:
        return [Problem(str(error), _GO_BACK)]
    finally:
        connection.close()


def _hold(path: Path) -> None:
    wrong = problems(path)
    if wrong:
        raise StoreUnavailable(f"{path} is not whole: {'; '.join(one.text for one in wrong[:3])}")


def _open(path: Path) -> apsw.Connection:
    if not path.exists():
        raise StoreUnavailable(f"there is no database at {path}")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(10_000)
        next(connection.execute("SELECT count(*) FROM messages LIMIT 1"))
    except apsw.Error as error:
        raise StoreUnavailable(f"{path} is no database of ringback: {error}") from error
    return connection


def _copy(source: Path, to: Path) -> None:
    reader = _open(source)
    os.close(os.open(to, os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
    writer = apsw.Connection(str(to))
    try:
        reader.execute("BEGIN")  # one moment: what a broker writes meanwhile does not start the copy anew
        next(reader.execute("SELECT count(*) FROM messages LIMIT 1"))
        with writer.backup("main", reader, "main") as copying:
            while not copying.done:
                copying.step(_PAGES)
    except apsw.Error as error:
        raise StoreUnavailable(f"{source} cannot be copied to {to}: {error}") from error
    finally:
        writer.close()
        reader.close()


def _sync(path: Path) -> None:
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _own(path: Path, like: Path) -> None:
    """Whoever owned the database that is replaced has to be able to go on with the new one, also if root puts it there."""
    if like.exists() and os.getuid() == 0:
        known = like.stat()
        os.chown(path, known.st_uid, known.st_gid)


def _free(path: Path) -> Path:
    """Return a name for what is kept: `.before`, with a number where a former restore has kept one already."""
    kept = path.with_name(f"{path.name}.before")
    for number in count(2):
        if not any(kept.with_name(f"{kept.name}{ending}").exists() for ending in ("", "-wal", "-shm")):
            break
        kept = path.with_name(f"{path.name}.before-{number}")
    return kept


def _told(path: Path) -> str:
    connection = _open(path)
    try:
        counts = [
            f"{next(connection.execute(f'SELECT count(*) FROM {table}'))[0]} {table.replace('_', ' ')}"
            for table in ("messages", "deliveries", "dead_letters", "runs")
        ]
    finally:
        connection.close()
    return ", ".join(counts)
