"""Queues (protocol 2.7)."""

from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from ringback.broker.api.bulk import LONGEST
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import checked_name
from ringback.broker.operations import queues, removal
from ringback.broker.records import Lane
from ringback.broker.rules.lanes import is_gone, is_paused, with_pause
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.http import Response


class Upsert(Struct):
    """Body of an upsert."""

    name: str = field(name="queueName")
    parallelism: Annotated[int, Meta(ge=1)] = 1
    paused: bool | None = None


def upsert(call: Call) -> Answer:
    """Make a queue, or change it."""
    body = call.json(Upsert)
    name = checked_name("queueName", body.name)

    def job(tx: Transaction, moment: Moment) -> Response:
        limits = call.settings.limits
        queues.upsert_queue(tx, call.tenant.name, name, body.parallelism, body.paused, limits, moment)
        return json_response(200, _shape(tx, _known(call, tx, name)))

    return call.desk.write_anyhow(job)


def get(call: Call) -> Answer:
    """Show a queue."""
    return call.desk.read(lambda tx: json_response(200, _shape(tx, _known(call, tx, call.names["queue"]))))


def list_all(call: Call) -> Answer:
    """List the queues, as a bare array."""

    def job(tx: Transaction) -> Response:
        return json_response(200, [_shape(tx, queue) for queue in queues.list_lanes(tx, "queue", call.tenant.name)])

    return call.desk.read(job)


async def delete(call: Call) -> Response:
    """Delete a queue and drop what waits in it; also when there is none.

    It is gone at once. The answer waits until what very many have left in it is gone too, at most a minute: it goes on by itself.
    """
    tenant, name, limits = call.tenant.name, call.names["queue"], call.settings.limits
    left = await call.desk.write_anyhow(lambda tx, moment: removal.delete_queue(tx, tenant, name, limits, moment))
    if left is not None:
        await call.cancels.finish(left.pos, LONGEST)
    return json_response(200, {})


def pause(call: Call) -> Answer:
    """Let a queue start nothing more."""
    return _set_paused(call, paused=True)


def resume(call: Call) -> Answer:
    """Let a queue go on."""
    return _set_paused(call, paused=False)


def _set_paused(call: Call, *, paused: bool) -> Answer:
    def job(tx: Transaction, moment: Moment) -> Response:
        queue = _known(call, tx, call.names["queue"])
        queues.change(tx, replace(with_pause(queue, paused=paused), updated_at=moment.now), moment)
        return json_response(200, {})

    return call.desk.write_anyhow(job)


def _known(call: Call, tx: Transaction, name: str) -> Lane:
    queue = tx.get(Lane, call.tenant.name, "queue", name)
    if queue is None or is_gone(queue):
        raise Refused(404, f"queue {name} not found")
    return queue


def _shape(tx: Transaction, queue: Lane) -> dict[str, object]:
    return {
        "name": queue.name,
        "createdAt": queue.created_at,
        "updatedAt": queue.updated_at,
        "parallelism": queue.parallelism,
        "paused": is_paused(queue),
        "lag": queues.lag(tx, queue),
    }
