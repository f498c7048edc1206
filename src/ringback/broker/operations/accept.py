"""Taking in a message: it is stored, and starts at once where nothing holds it back."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import start
from ringback.broker.records import Delivery, Event, Lane, Message
from ringback.broker.rules import lanes
from ringback.broker.rules.facets import sort_of
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.clock import Instant


def accept(tx: Transaction, message: Message, moment: Moment, queue_made_at: Instant = 0) -> None:
    """Store a message with its first event; one that is due is started or joins its line.

    A message that keeps a queue's slot for the one it reports on (`holds`) takes that slot now, unless the queue is gone.

    Args:
        tx: the transaction.
        message: the message.
        moment: time, ids and room.
        queue_made_at: when that queue was made, 0 where it cannot have been made anew.
    """
    facets, described = sort_of(message, moment.now)
    created = Event(
        moment.new_id(),
        message.tenant,
        message.seq,
        "CREATED",
        moment.now,
        next_at=message.not_before,
        facets=facets,
    )
    held = tx.get(Lane, message.tenant, "queue", message.holds) if message.holds else None
    if held is not None and (held.deleting or queue_made_at not in (0, held.created_at)):
        held = None
    queue = _prepare_lanes(tx, message, moment) if message.flow or message.queue else None
    delivery = Delivery(
        message.seq,
        message.tenant,
        due_at=message.not_before,
        wake_at=message.not_before,
        queue=message.queue,
        run=message.run.run if message.run else 0,
        queued=held is not None,
        queue_made_at=_made_at(queue, held),
    )
    tx.apply(Changes(put=[message, created, *described]))
    if held is not None:
        tx.apply(Changes(put=[replace(held, active=held.active + 1)]))
    if message.not_before > moment.now:
        tx.apply(Changes(put=[delivery]))
    else:
        start(tx, message, delivery, moment)


def _prepare_lanes(tx: Transaction, message: Message, moment: Moment) -> Lane | None:
    """Create what is missing, and let the message bring its limits (protocol 4.7-1); return its queue."""
    if message.flow:
        flow = tx.get(Lane, message.tenant, "flow", message.flow.key)
        flow = flow or lanes.new_flow(message.tenant, message.flow.key, moment.now)
        tx.apply(Changes(put=[lanes.alarmed(lanes.configured(flow, message.flow, moment.now), moment.now)]))
    if not message.queue:
        return None
    queue = tx.get(Lane, message.tenant, "queue", message.queue)
    if queue is None or lanes.is_gone(queue):
        new = lanes.new_queue(message.tenant, message.queue, moment.now)
        queue = new if queue is None else lanes.made_anew(queue, moment.now)
        tx.apply(Changes(put=[queue]))
    return queue


def _made_at(queue: Lane | None, held: Lane | None) -> Instant:
    """Return when the queue was made, where it may be taken for another one of its name."""
    if queue is not None:
        return queue.created_at if queue.deleting else 0
    return 0 if held is None else held.created_at
