"""Finding what has become due, and starting it."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import let_in, release, start
from ringback.broker.records import DeadLetter, Delivery, Event, Lane, Message, Run, Schedule, Waiter
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant


def start_due(tx: Transaction, room: int, moment: Moment) -> int:
    """Start, or put in line, at most `room` messages whose time has come; return how many were due."""
    due = tx.claim(Delivery, Query((Where("wake_at", "<=", moment.now),), order=("wake_at",), limit=room))
    for delivery in due:
        message = tx.get(Message, delivery.seq)
        if message is None:
            tx.apply(Changes(drop=[delivery]))
        else:
            start(tx, message, delivery, moment)
    return len(due)


def open_lanes(tx: Transaction, most: int, moment: Moment) -> int:
    """Let waiting messages pass lanes that have room again; return how many lanes were looked at."""
    due = tx.claim(Lane, Query((Where("wake_at", "<=", moment.now),), order=("wake_at",), limit=most))
    for lane in due:
        let_in(tx, lane, moment)
    return len(due)


def next_wake(tx: Transaction) -> Instant | None:
    """Return when the scheduler has to look again, None if nothing waits for a time."""
    first = Query((Where("wake_at", "not null"),), order=("wake_at",), limit=1)
    times = [
        *(found.wake_at for found in tx.find(Delivery, first)),
        *(found.wake_at for found in tx.find(Lane, first)),
        *(found.wake_at for found in tx.find(Schedule, first)),
        *(found.wake_at for found in tx.find(Waiter, first)),
    ]
    return min((at for at in times if at is not None), default=None)


_NEWEST_LEASE = Query((Where("lease", "not null"),), order=("lease",), descending=True, limit=1)


def newest_number(tx: Transaction) -> int:
    """Return the largest number that was ever given to something that is still kept, former nodes included."""
    newest = [
        *(one.pos for one in tx.find(Event, Query(order=("pos",), descending=True, limit=1))),
        *(one.seq for one in tx.find(Message, Query(order=("seq",), descending=True, limit=1))),
        *(one.pos for one in tx.find(DeadLetter, Query(order=("pos",), descending=True, limit=1))),
        *(one.seq for one in tx.find(Run, Query(order=("seq",), descending=True, limit=1))),
        *(one.lease or 0 for one in tx.find(Delivery, _NEWEST_LEASE)),
    ]
    return max(newest, default=0)


def recover(tx: Transaction, most: int, moment: Moment, node: int) -> int:
    """Make due again what nodes that are gone had leased; return how many there were.

    The attempt is repeated under the same number: a crash is not a failure of the endpoint (protocol 4.3).
    """
    lost = tx.claim(Delivery, Query((Where("lease", "not null"), Where("lease", "!=", node)), limit=most))
    for delivery in lost:
        message = tx.get(Message, delivery.seq)
        tx.apply(Changes(put=[replace(delivery, lease=None, wake_at=moment.now)]))
        if message is not None:
            release(tx, message, delivery, moment, ended=False)
    return len(lost)
