"""How much there is to do: what monitoring asks for, in a few indexed questions."""

from msgspec import Struct

from ringback.broker.records import Delivery, Lane, Schedule, Waiter
from ringback.broker.rules.lanes import is_paused
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant

_MOST_LANES = 100_000


class Backlog(Struct, frozen=True):
    """What waits at an instant.

    Attributes:
        due: messages whose time has come and that no node has taken yet.
        oldest_due_ms: how long the first of them has waited.
        later: messages that wait for their time: delays, retries.
        in_lanes: messages that wait in queues and for flow control.
        in_flight: attempts under way, on all nodes.
        paused: queues and flow-control keys that are paused.
        schedules: schedules that are not paused.
        waiters: steps that wait for an event.
    """

    due: int
    oldest_due_ms: int
    later: int
    in_lanes: int
    in_flight: int
    paused: int
    schedules: int
    waiters: int


def count_backlog(tx: Transaction, now: Instant) -> Backlog:
    """Count what waits."""
    due = Where("wake_at", "<=", now)
    first = tx.find(Delivery, Query((due,), order=("wake_at",), limit=1))
    lanes = tx.find(Lane, Query(limit=_MOST_LANES))
    return Backlog(
        due=tx.count(Delivery, due),
        oldest_due_ms=now - (first[0].wake_at or now) if first else 0,
        later=tx.count(Delivery, Where("wake_at", ">", now)),
        in_lanes=sum(lane.waiting for lane in lanes),
        in_flight=tx.count(Delivery, Where("lease", "not null")),
        paused=sum(is_paused(lane) for lane in lanes),
        schedules=tx.count(Schedule, Where("wake_at", "not null")),
        waiters=tx.count(Waiter),
    )
