"""Publishing, enqueueing, and looking at or canceling one message (protocol 2.1 to 2.5)."""

from msgspec.structs import replace

from ringback.broker.api import schedules, shapes
from ringback.broker.api.at_work import by_headers, by_items, visible, visibly
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import checked_destination, checked_name
from ringback.broker.ids import message_id, parse_message_id
from ringback.broker.operations.again import again as send_again
from ringback.broker.operations.cancel import cancel_messages
from ringback.broker.operations.publication import Publication, Published
from ringback.broker.operations.publish import publish as publish_now
from ringback.broker.operations.publish import publish_needs
from ringback.broker.records import Delivery, Event, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.runs import ENDED
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.batch import BatchItem, in_item, read_batch
from ringback.wire.http import Response
from ringback.wire.trace import traced


@visibly(by_headers)
def publish(call: Call) -> Answer:
    """Publish to a URL, a URL group or an `api/` destination; with a cron expression, make a schedule (protocol 2.1)."""
    return _accept(call, None)


def enqueue(call: Call) -> Answer:
    """Publish through a queue, which is made if need be; with a cron expression, make a schedule (protocol 2.2)."""
    return _accept(call, checked_name("queue name", call.names["queue"]))


def _accept(call: Call, queue: str | None) -> Answer:
    request = call.request
    target, options = call.asked()
    destination = checked_destination(call, target)
    if target == "api/llm" and options.callback is None:
        raise Refused(400, "missing header Upstash-Callback: api/llm answers to a callback only")
    if options.cron:
        return schedules.make(call, target, options if queue is None else replace(options, queue_name=queue))
    publication = Publication(
        call.tenant.name,
        destination.text,
        destination.is_group,
        traced(options, request),
        request.body,
        request.peer,
        queue,
    )

    def job(tx: Transaction, moment: Moment) -> Response:
        try:
            published = publish_now(tx, publication, call.settings.limits, moment)
        except Refused as error:
            raise visible(error, request, by_headers) from error
        if not publication.is_group:
            return json_response(202 if published[0].deduplicated else 200, _answer(published[0]))
        status = 202 if all(one.deduplicated for one in published) else 200
        return json_response(status, [_answer(one) for one in published])

    return call.desk.write(job, publish_needs([publication]))


@visibly(by_items)
def batch(call: Call) -> Answer:
    """Publish several messages: all are checked first, and stored together or not at all."""
    publications = [of_item(call, number, item) for number, item in enumerate(read_batch(call.request.body))]

    def job(tx: Transaction, moment: Moment) -> Response:
        answers: list[object] = []
        for number, publication in enumerate(publications):
            try:
                published = publish_now(tx, publication, call.settings.limits, moment)
            except Refused as error:
                raise visible(_told(number, error), call.request, by_items) from error
            shown = [_answer(one) for one in published]
            answers.append(shown if publication.is_group else shown[0])
        return json_response(200, answers)

    return call.desk.write(job, publish_needs(publications))


def of_item(call: Call, number: int, item: BatchItem) -> Publication:
    """Return the publication that an item of a batch asks for.

    Raises:
        Refused: 400, naming the item.
    """
    try:
        checked_destination(call, item.destination.text)
    except Refused as error:
        raise in_item(number, error) from error
    if item.options.cron:
        raise Refused(400, f"item {number}: invalid header Upstash-Cron: a batch makes no schedules, see /v2/schedules")
    if item.queue:
        checked_name(f"item {number}: queue", item.queue)
    return Publication(
        call.tenant.name,
        item.destination.text,
        item.destination.is_group,
        traced(item.options, call.request),
        item.body,
        call.request.peer,
        item.queue,
    )


def _told(number: int, error: Refused) -> Refused:
    """Programs match on the whole text of a workflow's refusal."""
    return error if error.text == ENDED else in_item(number, error)


def _answer(published: Published) -> dict[str, object]:
    answer: dict[str, object] = {"messageId": message_id(published.seq), "url": published.url}
    return answer | {"deduplicated": True} if published.deduplicated else answer


def get(call: Call) -> Answer:
    """Show a message that waits, or has ended within the last minute (protocol 2.4)."""
    seq = _known(call.names["message"])
    since = call.desk.clock() - call.settings.limits.grace_ms

    def job(tx: Transaction) -> Response:
        message = tx.get(Message, seq)
        if message is None or message.tenant != call.tenant.name:
            raise _not_found(call)
        if tx.get(Delivery, seq) is None:
            last = tx.find(Event, Query((Where("message", "=", seq),), order=("pos",), descending=True, limit=1))
            if not last or last[0].at < since:
                raise _not_found(call)
        return json_response(200, shapes.message(message))

    return call.desk.read(job)


def again(call: Call) -> Answer:
    """Publish a new message like this one, ended or not; ours, not the reference's."""
    seq = _known(call.names["message"])

    def job(tx: Transaction, moment: Moment) -> Response:
        new = send_again(tx, call.tenant.name, seq, moment)
        return json_response(201, {"messageId": message_id(new)})

    return call.desk.write_anyhow(job)


def cancel(call: Call) -> Answer:
    """Cancel a message; one that a run goes on with is canceled with its run, which would wait for it for ever (protocol 2.5)."""
    seq = _known(call.names["message"])

    def job(tx: Transaction, moment: Moment) -> Response:
        if not cancel_messages(tx, call.tenant.name, (seq,), call.settings.limits, moment):
            raise _not_found(call)
        return json_response(202, {"cancelled": 1})

    return call.desk.write_anyhow(job)


def _known(text: str) -> int:
    seq = parse_message_id(text)
    if seq is None:
        raise Refused(404, f"message {text} not found")
    return seq


def _not_found(call: Call) -> Refused:
    return Refused(404, f"message {call.names['message']} not found")
