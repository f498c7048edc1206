"""Canceling many messages at once (protocol 2.6)."""

from ringback.broker.ids import parse_message_id, parse_position
from ringback.broker.operations.cancel import cancel_message, prepare
from ringback.broker.operations.selection import about_message, within_dates
from ringback.broker.records import BulkAction, Delivery
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.filters import Filter

_MOST_ASKED = 500
_AT_ONCE = 500


def cancel_many(tx: Transaction, tenant: str, filter_: Filter, moment: Moment) -> int:
    """Cancel the messages a filter chooses, at most `count` of them if given; return how many were not canceled before."""
    if filter_.ids is not None:
        known = [seq for seq in (parse_message_id(text) for text in filter_.ids) if seq is not None]
        prepare(tx, known)
        return sum(cancel_message(tx, tenant, seq, moment) for seq in known)
    most = None if filter_.count is None else min(max(1, filter_.count), _MOST_ASKED)
    where = [Where("tenant", "=", tenant), Where("run", "=", 0), *within_dates(filter_, "seq"), *about_message(filter_)]
    canceled, after = 0, -1
    while most is None or canceled < most:
        query = Query((*where, Where("seq", ">", after)), order=("seq",), limit=_AT_ONCE)
        found = tx.find(Delivery, query)
        prepare(tx, [delivery.seq for delivery in found])
        for delivery in found:
            after = delivery.seq
            canceled += cancel_message(tx, tenant, delivery.seq, moment)
            if canceled == most:
                break
        if len(found) < _AT_ONCE:
            break
    return canceled


def actions(tx: Transaction, tenant: str, cursor: str | None, count: int) -> list[BulkAction]:
    """Return recorded bulk cancels, newest first.

    Raises:
        Refused: 400 for a cursor that is none.
    """
    where = [Where("tenant", "=", tenant)]
    if cursor:
        pos = parse_position(cursor)
        if pos is None:
            raise Refused(400, f"invalid cursor {cursor[:64]!r}")
        where.append(Where("pos", "<", pos))
    return tx.find(BulkAction, Query(tuple(where), order=("pos",), descending=True, limit=count))
