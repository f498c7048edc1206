"""Dead letters (protocol 2.10, 8)."""

from ringback.broker.api import run_letters, shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.letters import (
    changed_options,
    in_asked_order,
    known_letter,
    next_cursor,
    not_found,
    walk_cursor,
    walked,
)
from ringback.broker.api.messages import of_item
from ringback.broker.ids import message_id, position
from ringback.broker.operations import dead_letters
from ringback.broker.records import Message
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.batch import Letter, read_letters
from ringback.wire.filters import DEAD_LETTER_FIELDS, read_filter
from ringback.wire.http import Outcome, Response


def list_all(call: Call) -> Answer:
    """List dead letters; `source=workflow` asks for those of runs."""
    if ("source", "workflow") in call.query():
        return run_letters.list_all(call)
    filter_ = read_filter(call.query(), b"", fields=DEAD_LETTER_FIELDS, strict=False)

    def job(tx: Transaction) -> Response:
        page = dead_letters.find(tx, call.tenant.name, filter_)
        tx.load((Message, (one.message,)) for one in page.letters)
        shown = [shapes.dead_letter(one, about) for one in page.letters if (about := tx.get(Message, one.message))]
        return json_response(200, {"messages": shown} | _cursor(page))

    return call.desk.read(job)


def add_many(call: Call) -> Answer:
    """Add messages that failed elsewhere, all or none; an extension, for those who move here."""
    letters = read_letters(call.request.body)
    publications = [of_item(call, number, item) for number, (item, _) in enumerate(letters)]
    for number, publication in enumerate(publications):
        if publication.is_group or publication.options.workflow is not None:
            raise Refused(400, f"item {number}: a dead letter is of a message to one URL")

    def job(tx: Transaction, moment: Moment) -> Response:
        return json_response(
            200,
            [
                _buried(dead_letters.bury(tx, one, _outcome_of(letter), letter.retried, call.settings.limits, moment))
                for one, (_, letter) in zip(publications, letters, strict=True)
            ],
        )

    return call.desk.write(job)


def get(call: Call) -> Answer:
    """Show a dead letter."""

    def job(tx: Transaction) -> Response:
        letter = known_letter(call, tx)
        about = tx.get(Message, letter.message)
        if about is None:
            raise not_found(call)
        return json_response(200, shapes.dead_letter(letter, about))

    return call.desk.read(job)


def delete(call: Call) -> Answer:
    """Delete a dead letter."""

    def job(tx: Transaction, _: Moment) -> Response:
        dead_letters.delete(tx, [known_letter(call, tx)])
        return json_response(200, {})

    return call.desk.write(job)


def delete_many(call: Call) -> Answer:
    """Delete dead letters by ids or by filters, a page at a time."""
    filter_ = read_filter(call.query(), call.request.body, fields=DEAD_LETTER_FIELDS, strict=True)

    def job(tx: Transaction, _: Moment) -> Response:
        page = dead_letters.still_there(tx, dead_letters.find(tx, call.tenant.name, filter_))
        dead_letters.delete(tx, page.letters)
        # a client that asked with a body reads integers only (protocol 2.6)
        cursor = {} if call.request.body else _cursor(page)
        return json_response(200, {"deleted": len(page.letters)} | cursor)

    return call.desk.write(job)


def retry(call: Call) -> Answer:
    """Publish a dead letter again; headers given here replace the message's own settings."""
    changed = changed_options(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        letter = known_letter(call, tx)
        if letter.run:
            raise Refused(400, "this dead letter is of a workflow run: resume or restart the run")
        seq = dead_letters.retry(tx, letter, changed, call.settings.limits, moment)
        if seq is None:
            raise not_found(call)
        return json_response(201, {"messageId": message_id(seq)})

    return call.desk.write_anyhow(job)


def retry_many(call: Call) -> Answer:
    """Publish dead letters again by ids or by filters, a page at a time, answered in their order."""
    filter_ = read_filter(call.query(), call.request.body, fields=DEAD_LETTER_FIELDS, strict=True)
    changed = changed_options(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        walk = walked(filter_, tx)
        page = dead_letters.still_there(tx, dead_letters.find(tx, call.tenant.name, walk))
        if filter_.ids and not page.letters:
            raise Refused(404, f"none of the {len(filter_.ids)} dead letters was found")
        made = [
            dead_letters.retry(tx, one, changed, call.settings.limits, moment) for one in in_asked_order(page, filter_)
        ]
        responses = [{"messageId": message_id(seq)} for seq in made if seq is not None]
        return json_response(201, {"responses": responses, "cursor": walk_cursor(page, walk)})

    return call.desk.write_anyhow(job)


def _outcome_of(letter: Letter) -> Outcome:
    if letter.response_status:
        return Outcome(letter.response_status, [], letter.response_body.encode())
    return Outcome(0, [], b"", letter.response_body or "failed elsewhere")


def _buried(buried: dead_letters.Buried) -> dict[str, object]:
    answer: dict[str, object] = {"messageId": message_id(buried.seq)}
    if buried.pos is not None:
        answer["dlqId"] = position(buried.pos)
    return answer | {"deduplicated": True} if buried.deduplicated else answer


def _cursor(page: dead_letters.Page) -> dict[str, str]:
    cursor = next_cursor(page)
    return {"cursor": cursor} if cursor else {}
