"""A clock that was set back: what waits for a time that was told by the wrong clock is brought forward as much.

Without it a retry that was to come in ten seconds comes in three hours and ten seconds, when the clock was three hours ahead.
A message that was to come not before a certain time keeps that time.

How far it was set back is told by what it said before. Across a stop that is what was written down last, so that the time the
broker was down is not counted: what waits comes after a start no later than it would have come after the stop, and never earlier
than it should.
"""

from typing import NamedTuple

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Dedup, Delivery, Event, Lane, Message, Node, Schedule, Waiter
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant
from ringback.wire import cron

_ALL = 100_000


class Sight(NamedTuple):
    """What the clock said once, and the newest number then; numbers never go back."""

    at: Instant
    number: int


def last_sight(tx: Transaction) -> Sight:
    """Return what the clock said when something was written down last, as far as that was written down, too."""
    events = tx.find(Event, Query(order=("pos",), descending=True, limit=1))
    nodes = tx.find(Node, Query(limit=_ALL))
    told = [Sight(0, 0), *(Sight(one.at, one.pos) for one in events), *(Sight(one.seen_at, one.seen) for one in nodes)]
    return max(told, key=lambda sight: sight.number)


def note_sight(tx: Transaction, node: Node, seen: Sight) -> None:
    """Write down what the clock says."""
    known = tx.get(Node, node.slot)
    if known is not None and known.number == node.number:
        tx.apply(Changes(put=[replace(known, seen=seen.number, seen_at=seen.at)]))


def follow(tx: Transaction, by: int, moment: Moment) -> None:
    """Bring forward schedules, waits for events, periods of lanes and deduplication ids by `by` milliseconds.

    A schedule never fires for a tick that it has fired for; those that were made meanwhile stay as they are.
    """
    waits = (Where("wake_at", ">", moment.now),)
    for schedule in tx.find(Schedule, Query(waits, limit=_ALL)):
        last = max(moment.now, (schedule.wake_at or 0) - by - 1)
        tx.apply(Changes(put=[replace(schedule, wake_at=cron.parse(schedule.cron).next_at(last))]))
    for waiter in tx.find(Waiter, Query(waits, limit=_ALL)):
        tx.apply(Changes(put=[replace(waiter, wake_at=_earlier(waiter.wake_at, by, moment))]))
    for lane in tx.find(Lane, Query(limit=_ALL)):
        if lane.period_at > moment.now:
            begun = replace(lane, period_at=_earlier(lane.period_at, by, moment))
            tx.apply(Changes(put=[lanes.alarmed(begun, moment.now)]))
    taken = Query((Where("expires_at", ">", moment.now + by),), order=("expires_at",), limit=_ALL)
    for dedup in tx.find(Dedup, taken):
        tx.apply(Changes(put=[replace(dedup, expires_at=dedup.expires_at - by)]))


def follow_deliveries(tx: Transaction, moment: Moment, *, by: int, after: int, upto: int, most: int) -> int | None:
    """Bring forward retries, and messages that were delayed, by `by` milliseconds.

    Args:
        tx: the transaction.
        moment: the time.
        by: how far the clock was set back.
        after: number of the last one that was looked at.
        upto: number below which they were surely made before the clock was set back; above it, their time tells.
        most: how many to look at.

    Returns:
        The number of the last one that was looked at, None when that was all.
    """
    where = (Where("wake_at", ">", moment.now), Where("seq", ">", after))
    found = tx.find(Delivery, Query(where, order=("seq",), limit=most))
    for delivery in found:
        message = tx.get(Message, delivery.seq)
        if message is None or delivery.wake_at is None or (message.fixed and not delivery.retried):
            continue
        if delivery.seq < upto or message.created_at > moment.now:
            at = _earlier(delivery.wake_at, by, moment)
            tx.apply(Changes(put=[replace(delivery, due_at=at, wake_at=at)]))
    return found[-1].seq if len(found) == most else None


def _earlier(at: Instant, by: int, moment: Moment) -> Instant:
    return max(moment.now, at - by)
