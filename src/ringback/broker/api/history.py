"""What happened to messages (protocol 2.13)."""

from ringback.broker.api import shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import read_trim
from ringback.broker.ids import position
from ringback.broker.operations.selection import about_message, beyond_cursor, of_messages, within_dates
from ringback.broker.records import Event, Message
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.filters import EVENT_FIELDS, Filter, read_filter
from ringback.wire.http import Response

_MOST = 1000


def events(call: Call) -> Answer:
    """List what happened to messages, newest first."""
    return _events(call, "events")


def logs(call: Call) -> Answer:
    """List what happened to messages: the events under another name."""
    return _events(call, "logs")


def _events(call: Call, envelope: str) -> Answer:
    filter_ = read_filter(call.query(), b"", fields=EVENT_FIELDS, strict=False)
    count = min(_MOST if filter_.count is None else max(1, filter_.count), _MOST)
    query = _query(call.tenant.name, filter_, count)
    trim = read_trim(call)

    def job(tx: Transaction) -> Response:
        found = tx.find(Event, query)
        tx.load((Message, (one.message,)) for one in found)
        shown = [shapes.event(one, about, trim) for one in found[:count] if (about := tx.get(Message, one.message))]
        cursor = {"cursor": position(found[count - 1].pos)} if len(found) > count else {}
        return json_response(200, {envelope: shown} | cursor)

    return call.desk.read(job)


def _query(tenant: str, filter_: Filter, count: int) -> Query:
    descending = filter_.latest_first is not False
    where = [Where("tenant", "=", tenant), *beyond_cursor(filter_, descending=descending)]
    if filter_.ids is not None:
        where += of_messages(Filter(), filter_.ids)
    else:
        where += within_dates(filter_, "pos")
        where += of_messages(filter_, filter_.message_ids) if filter_.message_ids else about_message(filter_)
        if filter_.states:
            where.append(Where("state", "in", filter_.states))
    return Query(tuple(where), order=("pos",), descending=descending, limit=count + 1)
