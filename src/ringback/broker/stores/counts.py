"""What queues and flow-control keys count, held against what stands in a SQLite store; for looking it over."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import apsw

from ringback.broker.records import Delivery, Lane
from ringback.broker.stores.rows import CODECS

_Key = tuple[str, ...]


def miscounted(path: Path) -> list[str]:
    """Return the lanes whose counts are wrong, in words; a broker may be at work on the file.

    Raises:
        apsw.Error: the file cannot be read.
    """
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute("BEGIN")  # one moment
        taken, waiting = _stored(connection)
        lanes = [CODECS[Lane].record(stored) for (stored,) in connection.execute("SELECT record FROM lanes")]
        connection.execute("ROLLBACK")
    found = []
    for lane in lanes:
        key = (lane.kind, lane.tenant, lane.name)
        name = f"{'queue' if lane.kind == 'queue' else 'flow-control key'} {lane.name} of {lane.tenant}"
        # callbacks hold a slot of a queue that only their message names, which may be encrypted
        most = taken[key] + (taken["queue", lane.tenant, ""] if lane.kind == "queue" else 0)
        if not taken[key] <= lane.active <= most:
            found.append(f"{name} counts {lane.active} slots taken, {taken[key]} are")
        if lane.waiting != waiting[key]:
            found.append(f"{name} counts {lane.waiting} waiting, {waiting[key]} are")
    return found


def _stored(connection: apsw.Connection) -> tuple[Counter[_Key], Counter[_Key]]:
    """Return the slots taken in each lane, and those who wait in it."""
    taken: Counter[_Key] = Counter()
    waiting: Counter[_Key] = Counter()
    rows = connection.execute("SELECT d.record, m.flow_key FROM deliveries d JOIN messages m ON m.seq = d.seq")
    for stored, flow_key in rows:
        delivery: Delivery = CODECS[Delivery].record(stored)
        if delivery.queued:
            taken["queue", delivery.tenant, delivery.queue or ""] += 1
        if flow_key and delivery.lease is not None:
            taken["flow", delivery.tenant, flow_key] += 1
        if delivery.lane:
            waiting[tuple(delivery.lane.split("\x1f"))] += 1
    return taken, waiting
