"""Canceling many messages, and the record of having done so (protocol 2.6)."""

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.changes import Changes
from ringback.broker.ids import position
from ringback.broker.operations.bulk import actions
from ringback.broker.operations.bulk import cancel_many as cancel_page
from ringback.broker.records import BulkAction
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.filters import CANCEL_FIELDS, read_filter
from ringback.wire.http import Response

_DEFAULT_COUNT = 100
_MOST = 1000


def cancel_many(call: Call) -> Answer:
    """Cancel messages by ids, by filters, or all."""
    body = call.request.body
    filter_ = read_filter(call.query(), body, fields=CANCEL_FIELDS, strict=True)

    def job(tx: Transaction, moment: Moment) -> Response:
        canceled = cancel_page(tx, call.tenant.name, filter_, moment)
        answer: dict[str, object] = {"cancelled": canceled}
        if filter_.ids is None:
            asked = dict(call.query())
            action = BulkAction(moment.new_id(), call.tenant.name, canceled, moment.now, tuple(asked.items()))
            tx.apply(Changes(put=[action]))
            if asked.get("async") == "true":
                answer["actionId"] = _id(action)
        return json_response(202, answer)

    return call.desk.write(job)


def list_actions(call: Call) -> Answer:
    """List the bulk cancels of the last seven days, newest first."""
    asked = dict(call.query())
    count = asked.get("count") or str(_DEFAULT_COUNT)
    if not (count.isascii() and count.isdigit() and len(count) < 9):
        raise Refused(400, f"invalid count {count!r}: expected a whole number")
    wanted = asked.get("state") or "FINISHED"
    if wanted not in ("FINISHED", "IN_PROGRESS"):
        raise Refused(400, f"invalid state {wanted!r}: expected IN_PROGRESS or FINISHED")

    def job(tx: Transaction) -> Response:
        most = min(max(1, int(count)), _MOST)
        found = actions(tx, call.tenant.name, asked.get("cursor"), most + 1) if wanted == "FINISHED" else []
        cursor = {"cursor": position(found[most - 1].pos)} if len(found) > most else {}
        return json_response(200, {"bulkActions": [_shape(one) for one in found[:most]]} | cursor)

    return call.desk.read(job)


def get_action(call: Call) -> Answer:
    """Show a bulk cancel."""

    def job(tx: Transaction) -> Response:
        text = call.names["action"]
        number = text.removeprefix("ba_")
        try:
            action = tx.get(BulkAction, int(number, 16)) if len(number) == 16 else None
        except ValueError:
            action = None
        if action is None or action.tenant != call.tenant.name:
            raise Refused(404, f"bulk action {text} not found")
        return json_response(200, _shape(action))

    return call.desk.read(job)


def _id(action: BulkAction) -> str:
    return f"ba_{action.pos:016x}"


def _shape(action: BulkAction) -> dict[str, object]:
    return {
        "actionId": _id(action),
        "kind": "cancel",
        "state": "FINISHED",
        "total": action.total,
        "processed": action.total,
        "createdAt": action.at,
        "completedAt": action.at,
        "filter": dict(action.filter),
    }
