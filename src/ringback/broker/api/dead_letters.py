"""Dead letters (protocol 2.10, 8)."""

from ringback.broker.api import run_letters, shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.ids import message_id, parse_position, position
from ringback.broker.operations import dead_letters
from ringback.broker.records import DeadLetter, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.filters import DEAD_LETTER_FIELDS, Filter, read_filter
from ringback.wire.headers import read_options
from ringback.wire.http import Response
from ringback.wire.options import Options


def list_all(call: Call) -> Answer:
    """`GET /v2/dlq`; `source=workflow` asks for those of runs."""
    if ("source", "workflow") in call.query():
        return run_letters.list_all(call)
    filter_ = read_filter(call.query(), b"", fields=DEAD_LETTER_FIELDS, strict=False)

    def job(tx: Transaction) -> Response:
        page = dead_letters.find(tx, call.tenant.name, filter_)
        shown = [shapes.dead_letter(one, about) for one in page.letters if (about := tx.get(Message, one.message))]
        return json_response(200, {"messages": shown} | _cursor(page))

    return call.desk.read(job)


def get(call: Call) -> Answer:
    """`GET /v2/dlq/{id}`."""

    def job(tx: Transaction) -> Response:
        letter = _known(call, tx)
        about = tx.get(Message, letter.message)
        if about is None:
            raise _not_found(call)
        return json_response(200, shapes.dead_letter(letter, about))

    return call.desk.read(job)


def delete(call: Call) -> Answer:
    """`DELETE /v2/dlq/{id}`."""

    def job(tx: Transaction, _: Moment) -> Response:
        dead_letters.delete(tx, [_known(call, tx)])
        return json_response(200, {})

    return call.desk.write(job)


def delete_many(call: Call) -> Answer:
    """`DELETE /v2/dlq`: by ids or by filters, a page at a time."""
    filter_ = read_filter(call.query(), call.request.body, fields=DEAD_LETTER_FIELDS, strict=True)

    def job(tx: Transaction, _: Moment) -> Response:
        page = dead_letters.find(tx, call.tenant.name, filter_)
        dead_letters.delete(tx, page.letters)
        # a client that asked with a body reads integers only (protocol 2.6)
        cursor = {} if call.request.body else _cursor(page)
        return json_response(200, {"deleted": len(page.letters)} | cursor)

    return call.desk.write(job)


def retry(call: Call) -> Answer:
    """`POST /v2/dlq/retry/{id}`: headers given here replace the message's own settings."""
    changed = _changed(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        seq = dead_letters.retry(tx, _known(call, tx), changed, call.settings.limits, moment)
        if seq is None:
            raise _not_found(call)
        return json_response(201, {"messageId": message_id(seq)})

    return call.desk.write(job)


def retry_many(call: Call) -> Answer:
    """`POST /v2/dlq/retry`: by ids or by filters, a page at a time, answered in their order."""
    filter_ = read_filter(call.query(), b"", fields=DEAD_LETTER_FIELDS, strict=True)
    changed = _changed(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        page = dead_letters.find(tx, call.tenant.name, filter_)
        if filter_.ids and not page.letters:
            raise Refused(404, f"none of the {len(filter_.ids)} dead letters was found")
        made = [dead_letters.retry(tx, one, changed, call.settings.limits, moment) for one in _in_order(page, filter_)]
        responses = [{"messageId": message_id(seq)} for seq in made if seq is not None]
        return json_response(201, {"responses": responses, "cursor": ""} | _cursor(page))

    return call.desk.write(job)


def _changed(call: Call) -> Options:
    """The content type of the retry request itself is nobody's wish."""
    return read_options([line for line in call.request.headers if line[0] != "content-type"])


def _in_order(page: dead_letters.Page, filter_: Filter) -> list[DeadLetter]:
    if not filter_.ids:
        return page.letters
    rank = {text: number for number, text in enumerate(filter_.ids)}
    return sorted(page.letters, key=lambda letter: rank.get(position(letter.pos), len(rank)))


def _cursor(page: dead_letters.Page) -> dict[str, str]:
    return {"cursor": position(page.letters[-1].pos)} if page.more else {}


def _known(call: Call, tx: Transaction) -> DeadLetter:
    pos = parse_position(call.names["dead_letter"])
    letter = None if pos is None else tx.get(DeadLetter, pos)
    if letter is None or letter.tenant != call.tenant.name:
        raise _not_found(call)
    return letter


def _not_found(call: Call) -> Refused:
    return Refused(404, f"dead letter {call.names['dead_letter']} not found")
