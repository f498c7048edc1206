"""Queues and flow-control keys as their owners see them: created, changed, paused, removed (protocol 2.7, 2.11)."""

from collections.abc import Callable

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import let_in
from ringback.broker.records import Delivery, Lane, LaneKind, Removal
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant
from ringback.errors import Refused

FLOW_KEPT_MS = 600_000
"""How long an unused flow-control key stays known (protocol 2.11)."""


def upsert_queue(
    tx: Transaction,
    tenant: str,
    name: str,
    parallelism: int,
    paused: bool | None,
    limits: Limits,
    moment: Moment,
) -> None:
    """Create a queue or change it; waiting messages that may pass now do.

    Raises:
        Refused: 412 above a quota; a queue that exists can be changed all the same.
    """
    if parallelism > limits.queue_parallelism:
        raise Refused(412, f"quota maxParallelism exceeded, current limit: {limits.queue_parallelism}")
    queue = tx.get(Lane, tenant, "queue", name)
    if queue is None or lanes.is_gone(queue):
        if queue is None and limits.queues is not None and tx.count(Lane, *_of("queue", tenant)) >= limits.queues:
            raise Refused(412, f"quota maxQueues exceeded, current limit: {limits.queues}")
        queue = lanes.made_anew(queue, moment.now) if queue else lanes.new_queue(tenant, name, moment.now)
    queue = queue if paused is None else lanes.with_pause(queue, paused=paused)
    change(tx, replace(queue, parallelism=parallelism, updated_at=moment.now), moment)


def change(tx: Transaction, lane: Lane, moment: Moment) -> None:
    """Write a changed lane and let in who may pass now."""
    tx.apply(Changes(put=[lane]))
    let_in(tx, lane, moment)


def lag(tx: Transaction, queue: Lane) -> int:
    """Return how many messages of a queue have not ended, without those that a former queue of that name has left."""
    left = tx.look(Removal, queue.deleting) if queue.deleting else None
    since = () if left is None else (Where("seq", ">", left.upto),)
    return tx.count(Delivery, Where("tenant", "=", queue.tenant), Where("queue", "=", queue.name), *since)


def list_lanes(tx: Transaction, kind: LaneKind, tenant: str) -> list[Lane]:
    """Return all queues, or all flow-control keys, of a tenant by name."""
    found = tx.find(Lane, Query(_of(kind, tenant), order=("name",), limit=100_000))
    return [lane for lane in found if not lanes.is_gone(lane)]


def change_flow(tx: Transaction, tenant: str, key: str, moment: Moment, how: Callable[[Lane], Lane]) -> None:
    """Change a flow-control key, which need not be known yet."""
    flow = tx.get(Lane, tenant, "flow", key) or lanes.new_flow(tenant, key, moment.now)
    change(tx, replace(how(flow), updated_at=moment.now), moment)


def is_known(flow: Lane, now: Instant) -> bool:
    """True while a flow-control key is in use, set up by hand, or was used a moment ago."""
    set_up = flow.paused or flow.pinned_parallelism or flow.pinned_rate
    return set_up or bool(flow.active or flow.waiting) or flow.updated_at + FLOW_KEPT_MS > now


def _of(kind: LaneKind, tenant: str) -> tuple[Where, ...]:
    return Where("tenant", "=", tenant), Where("kind", "=", kind)
