"""What queues and flow-control keys count, held against what stands in a SQLite store; and set right."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec
from msgspec.structs import replace

from ringback.broker.records import Delivery, Lane, Message
from ringback.broker.stores.problem import Problem
from ringback.broker.stores.rows import CODECS
from ringback.broker.stores.sqlite_file import lock

_Key = tuple[str, ...]
_UNREADABLE = ""
"""Stands for the queue of a callback that cannot be read here, because its message is encrypted."""
_SET = 'UPDATE lanes SET record = ?, wake_at = ? WHERE "tenant" = ? AND "kind" = ? AND "name" = ?'


class _Wrong(NamedTuple):
    """A lane as it should stand, and what is wrong with it."""

    should: Lane
    texts: list[str]


def miscounted(path: Path) -> list[Problem]:
    """Return the lanes whose counts are wrong; a broker may be at work on the file.

    Slots are compared exactly, but for queues with encrypted callbacks in them: a callback holds the slot of a queue that only
    its message names, so that a queue may count as many more as there are callbacks of its tenant that cannot be read.

    Raises:
        apsw.Error: the file cannot be read.
    """
    remedy = f"stop the broker, run `ringback doctor --db {path} --mend`, start it again"
    with closing(_open(path)) as connection:
        connection.execute("BEGIN")  # one moment
        wrong = list(_wrong(connection))
        connection.execute("ROLLBACK")
    return [Problem(text, remedy) for one in wrong for text in one.texts]


def mend(path: Path) -> list[str]:
    """Set the counts right; return what was wrong, in words.

    Raises:
        StoreUnavailable: a broker is at work on the file.
        apsw.Error: the file cannot be read or written.
    """
    with lock(path), closing(_open(path)) as connection, connection:
        wrong = list(_wrong(connection))
        for one in wrong:
            key = (one.should.tenant, one.should.kind, one.should.name)
            connection.execute(_SET, (CODECS[Lane].encode(one.should), one.should.wake_at, *key))
    return [text for one in wrong for text in one.texts]


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)
    return connection


def _wrong(connection: apsw.Connection) -> Iterator[_Wrong]:
    lanes: list[Lane] = [CODECS[Lane].record(stored) for (stored,) in connection.execute("SELECT record FROM lanes")]
    made_at: dict[_Key, int] = {(lane.kind, lane.tenant, lane.name): lane.created_at for lane in lanes}
    taken, waiting = _stored(connection, made_at)
    for lane in lanes:
        key = (lane.kind, lane.tenant, lane.name)
        least, waits = taken[key], waiting[key]
        most = least + (taken["queue", lane.tenant, _UNREADABLE] if lane.kind == "queue" else 0)
        active = lane.active if lane.deleting else min(max(lane.active, least), most)  # counted anew when it is through
        name = f"{'queue' if lane.kind == 'queue' else 'flow-control key'} {lane.name} of {lane.tenant}"
        texts = []
        if lane.active != active:
            texts.append(f"{name} counts {lane.active} slots taken, {active} are")
        if lane.waiting != waits:
            texts.append(f"{name} counts {lane.waiting} waiting, {waits} are")
        if texts:  # waking it is how those who wait get the slots that were counted wrong
            yield _Wrong(replace(lane, active=active, waiting=waits, wake_at=0), texts)


def _stored(connection: apsw.Connection, made_at: Mapping[_Key, int]) -> tuple[Counter[_Key], Counter[_Key]]:
    """Return the slots taken in each lane, and those who wait in it.

    A callback may hold a slot of a queue that is gone; one of the same name, made later, has lent it nothing.
    """
    taken: Counter[_Key] = Counter()
    waiting: Counter[_Key] = Counter()
    rows = connection.execute(
        "SELECT d.record, m.flow_key, m.record FROM deliveries d JOIN messages m ON m.seq = d.seq"
    )
    for stored, flow_key, message in rows:
        delivery: Delivery = CODECS[Delivery].record(stored)
        if delivery.queued:
            queue = ("queue", delivery.tenant, delivery.queue or _held(message))
            if delivery.queue_made_at in (0, made_at.get(queue, 0)):
                taken[queue] += 1
        if flow_key and delivery.lease is not None:
            taken["flow", delivery.tenant, flow_key] += 1
        if delivery.lane:
            waiting[tuple(delivery.lane.split("\x1f"))] += 1
    return taken, waiting


def _held(stored: bytes) -> str:
    """Return the queue whose slot a callback holds."""
    try:
        message: Message = CODECS[Message].record(stored)
    except msgspec.DecodeError:
        return _UNREADABLE
    return message.holds or _UNREADABLE
