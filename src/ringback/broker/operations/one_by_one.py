"""What is due, one by one: where something among it cannot be done, whatever the fault, everything else is.

The usual way takes all that is due in one transaction (see `due`); what raises in it would take the rest with it, time and again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import let_in, start
from ringback.broker.operations.runs.wait import time_out
from ringback.broker.operations.schedules import fire
from ringback.broker.records import Delivery, Lane, Message, Record, Schedule, Waiter
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.broker.stores.rows import CODECS
from ringback.clock import Instant

PUT_OFF_MS = 60_000
"""After how long what could not be done is tried again."""


class Due(NamedTuple):
    """One thing whose time has come."""

    kind: type[Record]
    key: tuple[Any, ...]


def due(tx: Transaction, most: int, now: Instant) -> list[Due]:
    """Return what is due, at most so many of each kind; reads only."""
    query = Query((Where("wake_at", "<=", now),), order=("wake_at",), limit=most)
    return [Due(kind, CODECS[kind].key(one)) for kind in _DO for one in tx.find(kind, query)]


def do(tx: Transaction, one: Due, limits: Limits, moment: Moment) -> None:
    """Do what is due, if it still is."""
    record: Any = tx.get(one.kind, *one.key)
    if record is not None and record.wake_at is not None and record.wake_at <= moment.now:
        _DO[one.kind](tx, record, limits, moment)


def put_off(tx: Transaction, one: Due, moment: Moment) -> None:
    """Let what could not be done wait a while, so that it does not stand before everything else."""
    record: Any = tx.get(one.kind, *one.key)
    if record is not None and record.wake_at is not None:
        tx.apply(Changes(put=[replace(record, wake_at=moment.now + PUT_OFF_MS)]))


def _start(tx: Transaction, delivery: Delivery, _: Limits, moment: Moment) -> None:
    message = tx.get(Message, delivery.seq)
    if message is None:
        tx.apply(Changes(drop=[delivery]))
    else:
        start(tx, message, delivery, moment)


_DO: dict[type[Record], Callable[[Transaction, Any, Limits, Moment], None]] = {
    Delivery: _start,
    Lane: lambda tx, lane, _, moment: let_in(tx, lane, moment),
    Schedule: fire,
    Waiter: time_out,
}
