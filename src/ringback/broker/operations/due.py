"""Finding what has become due, and starting it."""

from ringback.broker.changes import Changes
from ringback.broker.operations import stretches
from ringback.broker.operations.lanes import lane_keys, let_in, start
from ringback.broker.operations.loading import load_fitting
from ringback.broker.records import DeadLetter, Delivery, Event, Lane, Message, Run, Schedule, Waiter
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant


def start_due(tx: Transaction, room: int, since: Instant, moment: Moment) -> int:
    """Start, or put in line, at most `room` messages whose time has come and whose bodies fit; return how many there were.

    Args:
        tx: the transaction.
        room: how many, at most.
        since: when the earliest of them can have been due; where rows that are gone are swept late, looking no further back
            than needed is what keeps this fast.
        moment: time, ids and room.
    """
    where = (Where("wake_at", "<=", moment.now), Where("wake_at", ">=", since))
    due = tx.claim(Delivery, Query(where, order=("wake_at",), limit=room))
    messages = load_fitting(tx, due, moment.room)
    tx.load(sorted({need for one in messages if one for need in lane_keys(one)}))
    for delivery, message in zip(due, messages, strict=False):  # the others stay as they are
        start_one(tx, delivery, message, moment)
    return len(messages)


def start_one(tx: Transaction, delivery: Delivery, message: Message | None, moment: Moment) -> None:
    """Start, or put in line, a message whose time has come; without it there is nothing to be sent any more."""
    if message is None:
        tx.apply(Changes(drop=[delivery]))
    else:
        start(tx, message, delivery, moment)


def open_lanes(tx: Transaction, most: int, moment: Moment) -> int:
    """Let waiting messages pass lanes that have room again; return how many lanes were looked at."""
    due = tx.claim(Lane, Query((Where("wake_at", "<=", moment.now),), order=("wake_at",), limit=most))
    for lane in due:
        let_in(tx, lane, moment)
    return len(due)


def next_wake(tx: Transaction, since: Instant) -> Instant | None:
    """Return when the scheduler has to look again, None if nothing waits for a time; `since` as in `start_due`."""
    first = Query((Where("wake_at", "not null"),), order=("wake_at",), limit=1)
    deliveries = Query((Where("wake_at", "not null"), Where("wake_at", ">=", since)), order=("wake_at",), limit=1)
    times = [
        *(found.wake_at for found in tx.find(Delivery, deliveries)),
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
        *stretches.ends(tx),
    ]
    return max(newest, default=0)
