"""Canceling many messages, and the record of having done so (protocol 2.6)."""

from dataclasses import replace

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import read_flag
from ringback.broker.ids import bulk_action_id, parse_bulk_action_id, position
from ringback.broker.operations import bulk
from ringback.broker.records import BulkAction, BulkCancel, HeaderLines
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.filters import CANCEL_FIELDS, Filter, given_filters, read_filter
from ringback.wire.http import Response

_DEFAULT_COUNT = 100
_MOST = 1000
_NO_FILTERS = frozenset({"async", "count", "cursor"})
LONGEST = 60.0
"""Seconds that a caller is kept waiting at most (protocol 2.6)."""


def cancel_many(call: Call) -> Answer:
    """Cancel messages by ids, by filters, or all."""
    filter_ = read_filter(call.query(), call.request.body, fields=CANCEL_FIELDS, strict=True)
    filter_ = replace(filter_, count=None, cursor=None)  # so that a cancel with them joins the same without
    if filter_.ids is None:
        return _cancel_chosen(call, filter_)
    ids = filter_.ids

    def job(tx: Transaction, moment: Moment) -> Response:
        canceled = bulk.cancel_ids(tx, call.tenant.name, ids, call.settings.limits, moment)
        return json_response(202, {"cancelled": canceled})

    return call.desk.write_anyhow(job)


async def _cancel_chosen(call: Call, filter_: Filter) -> Response:
    """Few messages are canceled in one transaction; many in several, and the answer waits for the last of them if it may."""
    given = given_filters(call.query(), call.request.body)
    tenant, asked = call.tenant.name, tuple((name, value) for name, values in given.items() for value in values)
    at_once = read_flag(call, "async")
    choice = await call.desk.read(lambda tx: bulk.choose(tx, tenant, filter_))

    def job(tx: Transaction, moment: Moment) -> BulkAction | BulkCancel:
        if not choice.is_all:
            return bulk.begin(tx, tenant, filter_, asked, choice, moment)
        canceled = bulk.cancel_all(tx, tenant, choice.first, moment)
        return bulk.record(tx, tenant, canceled, asked, moment)

    action = await call.desk.write_anyhow(job)
    if at_once:
        call.cancels.go()
        total = choice.total if isinstance(action, BulkCancel) else action.total
        return json_response(202, {"cancelled": total, "actionId": _id(action)})
    if isinstance(action, BulkCancel):
        finished = await call.cancels.finish(action.pos, LONGEST)
        if not isinstance(finished, BulkAction):
            raise Refused(
                429, f"bulk action {_id(action)} has not finished within a minute and goes on, see /v2/bulkActions"
            )
        action = finished
    return json_response(202, {"cancelled": action.total})


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
        find = bulk.actions if wanted == "FINISHED" else bulk.under_way
        found = find(tx, call.tenant.name, asked.get("cursor"), most + 1)
        cursor = {"cursor": position(found[most - 1].pos)} if len(found) > most else {}
        return json_response(200, {"bulkActions": [_shape(one) for one in found[:most]]} | cursor)

    return call.desk.read(job)


def get_action(call: Call) -> Answer:
    """Show a bulk cancel."""

    def job(tx: Transaction) -> Response:
        pos = parse_bulk_action_id(call.names["action"])
        action = None if pos is None else tx.get(BulkCancel, pos) or tx.get(BulkAction, pos)
        if action is None or action.tenant != call.tenant.name:
            raise Refused(404, f"bulk action {call.names['action']} not found")
        return json_response(200, _shape(action))

    return call.desk.read(job)


def _id(action: BulkAction | BulkCancel) -> str:
    return bulk_action_id(action.pos)


def _shape(action: BulkAction | BulkCancel) -> dict[str, object]:
    shape = {"actionId": _id(action), "kind": "cancel", "total": action.total, "createdAt": action.at}
    if isinstance(action, BulkCancel):
        return shape | {"state": "IN_PROGRESS", "processed": action.canceled, "filter": _filter(action.asked)}
    completed_at = action.at if action.completed_at is None else action.completed_at
    return shape | {
        "state": "FINISHED",
        "processed": action.total,
        "completedAt": completed_at,
        "filter": _filter(action.filter),
    }


def _filter(asked: HeaderLines) -> dict[str, list[str]]:
    given = given_filters(asked, b"")
    return {name: values for name, values in given.items() if name not in _NO_FILTERS}
