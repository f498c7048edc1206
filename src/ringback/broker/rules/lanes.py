"""Lanes: queues and flow-control keys, how much may start now, and what starting and ending does to them.

A queue's slot is held until the message has ended, retries included; a flow-control key's slot only while an attempt is
in flight.
"""

from msgspec.structs import replace

from ringback.broker.records import Delivery, Lane, LaneKind, Message
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS
from ringback.clock import Instant
from ringback.wire.options import FlowControl

_UNLIMITED = 1 << 30


def address(kind: LaneKind, tenant: str, name: str) -> str:
    """Return the text that stands in `Delivery.lane` for a lane."""
    return f"{kind}\x1f{tenant}\x1f{name}"


def key_of(lane_address: str) -> tuple[str, LaneKind, str]:
    """Return the key of the lane that `address` made a text of."""
    kind, tenant, name = lane_address.split("\x1f")
    return tenant, "queue" if kind == "queue" else "flow", name


def new_queue(tenant: str, name: str, now: Instant, parallelism: int = 1) -> Lane:
    """Return a queue as it is created."""
    return Lane(tenant, "queue", name, parallelism=parallelism, created_at=now, updated_at=now)


def is_gone(queue: Lane) -> bool:
    """True for a queue that is being deleted and has not been made again: nobody may see it any more."""
    return bool(queue.deleting) and not queue.anew


def being_deleted(queue: Lane, removal: int) -> Lane:
    """Return a queue whose deletion begins: nothing passes it any more."""
    return replace(queue, deleting=removal, anew=False, paused=True, begins_paused=False)


def begun_anew(queue: Lane) -> Lane:
    """Return a queue that was made again, when what it was is gone."""
    return replace(queue, deleting=0, anew=False, active=0, paused=queue.begins_paused, begins_paused=False)


def is_paused(lane: Lane) -> bool:
    """True for a lane that its owner has paused."""
    return lane.begins_paused if lane.deleting else lane.paused


def with_pause(lane: Lane, *, paused: bool) -> Lane:
    """Return a lane as its owner pauses it or lets it go on; one that has not begun yet remembers it."""
    return replace(lane, begins_paused=paused) if lane.deleting else replace(lane, paused=paused)


def made_anew(queue: Lane, now: Instant, parallelism: int = 1) -> Lane:
    """Return a queue that is made again while it is being deleted: it begins when what it was is gone."""
    made_at = max(now, queue.created_at + 1)
    fresh = new_queue(queue.tenant, queue.name, made_at, parallelism)
    kept = {"active": queue.active, "waiting": queue.waiting, "deleting": queue.deleting}
    return replace(fresh, **kept, anew=True, paused=True)


def new_flow(tenant: str, name: str, now: Instant) -> Lane:
    """Return a flow-control key that no message has configured yet."""
    return Lane(tenant, "flow", name, created_at=now, updated_at=now)


def configured(lane: Lane, flow: FlowControl, now: Instant) -> Lane:
    """Return a flow-control key with the limits one message brings; pinned parts stay (protocol 4.7-1)."""
    return replace(
        lane,
        parallelism=lane.parallelism if lane.pinned_parallelism else flow.parallelism,
        rate=lane.rate if lane.pinned_rate else flow.rate,
        period=lane.period if lane.pinned_rate else flow.period,
        updated_at=now,
    )


def rolled(lane: Lane, now: Instant) -> Lane:
    """Return the lane in the period of `now`; a new one starts with the first look after it (protocol 4.7-4).

    A period that begins well after `now` was begun by a clock that has been set back since: it is over, too.
    """
    if lane.rate is None or lane.period_at - CLOCKS_DIFFER_MS <= now < lane.period_at + lane.period * 1000:
        return lane
    return replace(lane, period_at=now, rate_count=0)


def free(lane: Lane, now: Instant) -> int:
    """Return how many messages may pass the lane now."""
    if lane.paused or lane.deleting:
        return 0
    slots = _UNLIMITED if lane.parallelism is None else lane.parallelism - lane.active
    if lane.rate is not None:
        slots = min(slots, lane.rate - rolled(lane, now).rate_count)
    return max(0, slots)


def taken(lane: Lane, now: Instant) -> Lane:
    """Return the lane after one message has passed."""
    lane = rolled(lane, now)
    return replace(lane, active=lane.active + 1, rate_count=lane.rate_count + (lane.rate is not None))


def released(lane: Lane) -> Lane:
    """Return the lane after one slot has been given back."""
    return replace(lane, active=max(0, lane.active - 1))


def joined(lane: Lane, now: Instant) -> Lane:
    """Return the lane with one more waiting."""
    return alarmed(replace(lane, waiting=lane.waiting + 1), now)


def left(lane: Lane) -> Lane:
    """Return the lane with one less waiting."""
    return replace(lane, waiting=max(0, lane.waiting - 1))


def alarmed(lane: Lane, now: Instant) -> Lane:
    """Return the lane with `wake_at` set where waiting messages can pass without anything else happening before.

    That is at once where there is room already, and at the end of the period where only the rate holds them back.
    """
    wake_at: Instant | None = None
    if lane.waiting and not lane.paused:
        if free(lane, now):
            wake_at = now
        elif lane.rate is not None and (lane.parallelism is None or lane.active < lane.parallelism):
            wake_at = lane.period_at + lane.period * 1000
    return lane if lane.wake_at == wake_at else replace(lane, wake_at=wake_at)


def next_lane(message: Message, delivery: Delivery) -> LaneKind | None:
    """Return which lane a due message has to pass next, first its queue, then its key; None if it may start."""
    if message.queue and not delivery.queued:
        return "queue"
    return "flow" if message.flow else None
