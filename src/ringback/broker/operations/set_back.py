"""A clock that was set back: what waits for a time that was told by the wrong clock is brought forward as much.

Without it a retry that was to come in ten seconds comes in three hours and ten seconds, when the clock was three hours ahead.
A message that was to come not before a certain time keeps that time.

How far it was set back is told by what it said before. Across a stop that is what was written down last, so that the time the
broker was down is not counted: what waits comes after a start no later than it would have come after the stop, and never earlier
than it should.
"""

from contextlib import suppress
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Dedup, Delivery, Event, Lane, Message, Node, Schedule, SetBack, Waiter
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire import cron
from ringback.wire.duration import parse as duration_ms

R = TypeVar("R", Waiter, Dedup)
K = TypeVar("K", Schedule, Lane)

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


def note_sight(tx: Transaction, node: Node, seen: Sight, before: Sight | None = None) -> None:
    """Write down what the clock says.

    Args:
        tx: the transaction.
        node: whose clock it is.
        seen: what it says.
        before: what it said before, if it was set back since: what waits is to be brought forward.
    """
    set_back = before and SetBack(before.at - seen.at, before.number, seen.number, seen.at)
    known = tx.get(Node, node.slot)
    if known is not None and known.number == node.number:
        noted = replace(known, seen=seen.number, seen_at=seen.at, set_back=set_back or known.set_back)
        tx.apply(Changes(put=[noted]))


def follow_more(tx: Transaction, node: Node, most: int, moment: Moment) -> bool:
    """Bring forward some more of what waits; how far it has come is written down with it.

    Args:
        tx: the transaction.
        node: who does it.
        most: how many to look at.
        moment: the time.

    Returns:
        Whether there is more to be looked at.
    """
    known = tx.get(Node, node.slot)
    if known is None or known.number != node.number or known.set_back is None:
        return False
    one = known.set_back
    steps = (_some_waiters, _some_dedups, _some_deliveries, _some_schedules, _some_lanes)
    after = steps[one.stage](tx, one, most, moment)
    left: SetBack | None = one
    if after is None:
        left = replace(one, stage=one.stage + 1, after=0, after_key=()) if one.stage + 1 < len(steps) else None
    elif isinstance(after, int):
        left = replace(one, after=after)
    else:
        left = replace(one, after_key=after)
    tx.apply(Changes(put=[replace(known, set_back=left)]))
    return left is not None


def _some_schedules(tx: Transaction, one: SetBack, most: int, moment: Moment) -> tuple[str, ...] | None:
    """Bring forward schedules; return the key of the last one, None when that was all.

    A schedule never fires for a tick that it has fired for; those that were made meanwhile stay as they are, and those whose
    time zone is gone, which their tick tells of.
    """
    found = _after(tx, Schedule, ("tenant", "id"), one.after_key, most)
    for schedule in found:
        if schedule.wake_at is not None and schedule.wake_at > moment.now:
            last = max(moment.now, schedule.wake_at - one.by - 1)
            with suppress(Refused):
                tx.apply(Changes(put=[replace(schedule, wake_at=cron.parse(schedule.cron).next_at(last))]))
    return (found[-1].tenant, found[-1].id) if len(found) == most else None


def _some_lanes(tx: Transaction, one: SetBack, most: int, moment: Moment) -> tuple[str, ...] | None:
    """Bring forward periods of queues and keys; return the key of the last one, None when that was all."""
    found = _after(tx, Lane, ("tenant", "kind", "name"), one.after_key, most)
    for lane in found:
        if lane.period_at > moment.now:
            begun = replace(lane, period_at=_earlier(lane.period_at, one.by, moment))
            tx.apply(Changes(put=[lanes.alarmed(begun, moment.now)]))
    return (found[-1].tenant, found[-1].kind, found[-1].name) if len(found) == most else None


def _some_waiters(tx: Transaction, one: SetBack, most: int, moment: Moment) -> int | None:
    """Bring forward waits for events; return the time of the last one, None when that was all."""
    found, last = _next(tx, Waiter, "wake_at", max(one.after, moment.now), most)
    for waiter in found:
        if _was_before(one, waiter.seq, waiter.wake_at - duration_ms(waiter.timeout)):
            tx.apply(Changes(put=[replace(waiter, wake_at=_earlier(waiter.wake_at, one.by, moment))]))
    return last


def _some_dedups(tx: Transaction, one: SetBack, most: int, moment: Moment) -> int | None:
    """Let deduplication ids expire earlier, at once those that had expired; return the time of the last one, None at the end."""
    found, last = _next(tx, Dedup, "expires_at", max(one.after, moment.now), most)
    for dedup in found:
        if dedup.message < one.before or (dedup.message < one.noted and dedup.expires_at > one.noted_at + one.by):
            tx.apply(Changes(put=[replace(dedup, expires_at=dedup.expires_at - one.by)]))
    return last


def _some_deliveries(tx: Transaction, one: SetBack, most: int, moment: Moment) -> int | None:
    """Bring forward retries, and messages that were delayed; return the number of the last one, None when that was all."""
    where = (Where("wake_at", ">", moment.now), Where("seq", ">", one.after))
    found = tx.find(Delivery, Query(where, order=("seq",), limit=most))
    for delivery in found:
        message = tx.get(Message, delivery.seq)
        if message is None or delivery.wake_at is None or (message.fixed and not delivery.retried):
            continue
        if _was_before(one, *_began(tx, message, delivery)):
            at = _earlier(delivery.wake_at, one.by, moment)
            tx.apply(Changes(put=[replace(delivery, due_at=at, wake_at=at)]))
    return found[-1].seq if len(found) == most else None


def _after(tx: Transaction, kind: type[K], columns: tuple[str, ...], after: tuple[str, ...], most: int) -> list[K]:
    """Return the next records in the order of their keys: first those that have most of it in common with the last one."""
    found: list[K] = []
    for depth in reversed(range(max(1, len(after)))):
        where = [Where(column, "=", value) for column, value in zip(columns[:depth], after, strict=False)]
        if after:
            where.append(Where(columns[depth], ">", after[depth]))
        query = Query(tuple(where), order=columns[depth:], limit=most - len(found))
        found += tx.find(kind, query) if query.limit else []
    return found


def _next(tx: Transaction, kind: type[R], column: str, after: Instant, most: int) -> tuple[list[R], Instant | None]:
    """Return the next records in the order of a time, and the last one's, None when there are no more.

    Those that are brought forward come to lie before it, so nothing is looked at twice.
    """
    found = tx.find(kind, Query((Where(column, ">", after),), order=(column,), limit=most))
    if len(found) < most:
        return found, None
    last: Instant = getattr(found[-1], column)
    same = tx.find(kind, Query((Where(column, "=", last),), limit=_ALL))
    return [one for one in found if getattr(one, column) < last] + same, last


def _began(tx: Transaction, message: Message, delivery: Delivery) -> tuple[int, Instant]:
    """Return when a message began to wait: a retry with the last line of its history."""
    if delivery.retried:
        of_message = Query((Where("message", "=", message.seq),), order=("pos",), descending=True, limit=1)
        for last in tx.find(Event, of_message):
            return last.pos, last.at
    return message.seq, message.created_at


def _was_before(one: SetBack, number: int, at: Instant) -> bool:
    """Whether what has this number, and was made at this time, was made before the clock was set back."""
    return number < one.before or (number < one.noted and at > one.noted_at)


def _earlier(at: Instant, by: int, moment: Moment) -> Instant:
    return max(moment.now, at - by)
