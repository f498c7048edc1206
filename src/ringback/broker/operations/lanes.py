"""Moving messages through lanes: joining, passing, and letting the next ones in."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.loading import load_fitting, size_of
from ringback.broker.operations.runs.append import append_entry, load_delivery
from ringback.broker.records import Delivery, Lane, LaneKind, Message
from ringback.broker.rules import lanes
from ringback.broker.rules.admit import Lanes, admit
from ringback.broker.rules.facets import described
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Need, Query, Transaction, Where
from ringback.clock import Instant

_AT_ONCE = 64
_UNBOUNDED = 1 << 30
_LONG = 86_400_000


def lanes_of(tx: Transaction, message: Message, moment: Moment) -> Lanes:
    """Load the lanes a message passes; those that do not exist yet are as new."""
    queue = flow = None
    if message.queue:
        queue = tx.get(Lane, message.tenant, "queue", message.queue)
        queue = queue or lanes.new_queue(message.tenant, message.queue, moment.now)
    if message.flow:
        flow = tx.get(Lane, message.tenant, "flow", message.flow.key)
        flow = flow or lanes.configured(
            lanes.new_flow(message.tenant, message.flow.key, moment.now), message.flow, moment.now
        )
    return Lanes(queue, flow)


def lane_keys(message: Message) -> list[Need]:
    """Return the lanes that starting or settling a message looks at."""
    keys: list[Need] = []
    if message.flow:
        keys.append((Lane, (message.tenant, "flow", message.flow.key)))
    queue = message.queue or message.holds
    if queue:
        keys.append((Lane, (message.tenant, "queue", queue)))
    return keys


def start(tx: Transaction, message: Message, delivery: Delivery, moment: Moment) -> None:
    """Let a message whose time has come go as far as its lanes allow; a step takes its place in its run's list first."""
    if message.kind == "step":
        append_entry(tx, message)
    _admit(tx, message, delivery, moment)


def release(tx: Transaction, message: Message, delivery: Delivery, moment: Moment, *, ended: bool) -> None:
    """Give back what an attempt held, and let the next ones in.

    Args:
        tx: the transaction.
        message: the message that was attempted or removed.
        delivery: where it stood, with its lease if an attempt was in flight.
        moment: time, ids and room.
        ended: the message is gone, so that its queue slot is free too.
    """
    if message.flow and delivery.lease is not None:
        _give_back(tx, message.tenant, "flow", message.flow.key, moment)
    queue = message.queue or message.holds
    if queue and ended and delivery.queued:
        _give_back(tx, message.tenant, "queue", queue, moment, delivery.queue_made_at)


def leave(tx: Transaction, delivery: Delivery, moment: Moment) -> None:
    """Take a message that waits in a lane out of its line."""
    if delivery.lane is None:
        return
    lane = tx.get(Lane, *lanes.key_of(delivery.lane))
    if lane is not None:
        tx.apply(Changes(put=[lanes.alarmed(lanes.left(lane), moment.now)]))


def line_of(lane: Lane, most: int) -> Query:
    """Return the query for those who stand first in a lane's line."""
    where = Where("lane", "=", lanes.address(lane.kind, lane.tenant, lane.name))
    return Query((where,), order=("seq",) if lane.kind == "queue" else ("due_at", "seq"), limit=most)


def let_in(tx: Transaction, lane: Lane, moment: Moment, most: int = _UNBOUNDED) -> None:
    """Let those in line pass, at most so many, in order, as long as the lane has room and this node has too.

    Where their bodies fill this node's room, the lane is looked at again when there is more.
    """
    key = (lane.tenant, lane.kind, lane.name)
    lane = tx.get(Lane, *key) or lane  # letting somebody into another lane may have changed this one
    left = moment.room
    while lane.waiting and moment.lease is not None and left > 0:
        room = min(lanes.free(lane, moment.now), _AT_ONCE, most)
        if not room:
            break
        waiting = tx.claim(Delivery, line_of(lane, room), wait=True)
        if not waiting:
            lane = replace(lane, waiting=0)
            break
        messages = load_fitting(tx, waiting, left)
        most -= len(messages)
        left -= size_of(messages)
        for delivery, message in zip(waiting, messages, strict=False):  # the others stay in line
            tx.apply(Changes(put=[lanes.left(tx.get(Lane, *key) or lane)]))
            if message is None:  # there is nothing to be sent any more
                tx.apply(Changes(drop=[delivery]))
                continue
            _admit(tx, message, delivery, moment, first=True)
        lane = tx.get(Lane, *key) or lane
    tx.apply(Changes(put=[lanes.alarmed(lane, moment.now)]))


def _admit(tx: Transaction, message: Message, delivery: Delivery, moment: Moment, *, first: bool = False) -> None:
    changes = admit(message, delivery, lanes_of(tx, message, moment), moment, first=first)
    for handed in changes.handed:
        if message.run is not None and message.kind != "call":
            handed.run, handed.list = load_delivery(tx, message, moment.list_of)
    if message.created_at < moment.now - _LONG:  # what it is filtered by may have been forgotten while it waited
        changes.put += described(message, moment.now)
    tx.apply(changes)


def _give_back(tx: Transaction, tenant: str, kind: LaneKind, name: str, moment: Moment, made_at: Instant = 0) -> None:
    """Give a slot back to the lane that lent it: made at `made_at`, 0 for whichever has that name."""
    lane = tx.get(Lane, tenant, kind, name)
    if lane is None or made_at not in (0, lane.created_at):
        return
    lane = lanes.released(lane)
    tx.apply(Changes(put=[lane]))
    if lane.waiting:
        tx.later((Lane, tenant, kind, name), lambda: _let_in_waiting(tx, (tenant, kind, name), moment))


def _let_in_waiting(tx: Transaction, key: tuple[str, LaneKind, str], moment: Moment) -> None:
    """Fill the slots that this transaction has freed."""
    lane = tx.get(Lane, *key)
    if lane is not None:
        let_in(tx, lane, moment)
