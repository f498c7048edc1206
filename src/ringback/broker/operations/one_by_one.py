"""What is due, one by one: where something among it cannot be done, whatever the fault, everything else is.

The usual way takes all that is due in one transaction (see `due`); what raises in it would take the rest with it, time and again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.due import start_one
from ringback.broker.operations.lanes import let_in
from ringback.broker.operations.put_off import PUT_OFF_MS, put_off_first
from ringback.broker.operations.runs.wait import time_out
from ringback.broker.operations.schedules import fire
from ringback.broker.records import Delivery, Lane, Message, Record, Schedule, Waiter
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.broker.stores.rows import CODECS
from ringback.clock import Instant


class Due(NamedTuple):
    """One thing whose time has come."""

    kind: type[Record]
    key: tuple[Any, ...]


def due(tx: Transaction, most: int, now: Instant) -> list[Due]:
    """Return what is due, at most so many of each kind; reads only."""
    query = Query((Where("wake_at", "<=", now),), order=("wake_at",), limit=most)
    return [Due(kind, CODECS[kind].key(one)) for kind in _DO for one in tx.find(kind, query)]


def do(tx: Transaction, one: Due, limits: Limits, moment: Moment) -> bool:
    """Do what is due, if it still is: of a lane, let the first in line pass; return whether there is more of it to do."""
    record = _still_due(tx, one, moment)
    if record is not None:
        _DO[one.kind](tx, record, limits, moment)
    return one.kind is Lane and moment.lease is not None and _still_due(tx, one, moment) is not None


def put_off(tx: Transaction, one: Due, moment: Moment) -> bool:
    """Let what could not be done wait a while, of a lane the first in its line; return whether there is more of it to do."""
    record = _still_due(tx, one, moment)
    if record is None:
        return False
    if one.kind is Lane and put_off_first(tx, record, moment):
        return _still_due(tx, one, moment) is not None
    tx.apply(Changes(put=[replace(record, wake_at=moment.now + PUT_OFF_MS)]))
    return False


def _still_due(tx: Transaction, one: Due, moment: Moment) -> Any:
    record: Any = tx.get(one.kind, *one.key)
    return record if record is not None and record.wake_at is not None and record.wake_at <= moment.now else None


_DO: dict[type[Record], Callable[[Transaction, Any, Limits, Moment], None]] = {
    Delivery: lambda tx, delivery, _, moment: start_one(tx, delivery, tx.get(Message, delivery.seq), moment),
    Lane: lambda tx, lane, _, moment: let_in(tx, lane, moment, most=1),
    Schedule: fire,
    Waiter: time_out,
}
