"""Taking in a message: it is stored, and starts at once where nothing holds it back."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import start
from ringback.broker.records import Delivery, Event, Lane, Message
from ringback.broker.rules import lanes
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction


def accept(tx: Transaction, message: Message, moment: Moment) -> None:
    """Store a message with its first event; one that is due is started or joins its line.

    A message that keeps a queue's slot for the one it reports on (`holds`) takes that slot now, unless the queue is gone.
    """
    created = Event(
        moment.new_id(),
        message.tenant,
        message.seq,
        "CREATED",
        moment.now,
        next_at=message.not_before,
        facets=facets_of(message),
    )
    delivery = Delivery(
        message.seq,
        message.tenant,
        due_at=message.not_before,
        wake_at=message.not_before,
        queue=message.queue,
        run=message.run.run if message.run else 0,
        queued=message.holds is not None and tx.get(Lane, message.tenant, "queue", message.holds) is not None,
    )
    tx.apply(Changes(put=[message, created, *described(message, moment.now)]))
    if message.flow or message.queue or message.holds:
        _prepare_lanes(tx, message, moment)
    if message.not_before > moment.now:
        tx.apply(Changes(put=[delivery]))
    else:
        start(tx, message, delivery, moment)


def _prepare_lanes(tx: Transaction, message: Message, moment: Moment) -> None:
    """Create what is missing, and let the message bring its limits (protocol 4.7-1)."""
    if message.flow:
        flow = tx.get(Lane, message.tenant, "flow", message.flow.key)
        flow = flow or lanes.new_flow(message.tenant, message.flow.key, moment.now)
        tx.apply(Changes(put=[lanes.alarmed(lanes.configured(flow, message.flow, moment.now), moment.now)]))
    if message.queue and tx.get(Lane, message.tenant, "queue", message.queue) is None:
        tx.apply(Changes(put=[lanes.new_queue(message.tenant, message.queue, moment.now)]))
    if message.holds:
        queue = tx.get(Lane, message.tenant, "queue", message.holds)
        if queue is not None:
            tx.apply(Changes(put=[replace(queue, active=queue.active + 1)]))
