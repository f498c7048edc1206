"""What happened: events and dead letters (protocol 2.10, 2.13)."""

from ringback.broker.api import shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.changes import Changes
from ringback.broker.ids import parse_position, position
from ringback.broker.records import DeadLetter, Event, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.http import Response


def events(call: Call) -> Answer:
    """`GET /v2/events`."""
    return _events(call, "events")


def logs(call: Call) -> Answer:
    """`GET /v2/logs`: the same under another name."""
    return _events(call, "logs")


def _events(call: Call, envelope: str) -> Answer:
    query = _page(call, default=1000, most=1000)

    def job(tx: Transaction) -> Response:
        found = tx.find(Event, query)
        shown = [shapes.event(one, about) for one in found if (about := tx.get(Message, one.message))]
        return json_response(200, {envelope: shown} | _cursor(query, [one.pos for one in found]))

    return call.desk.read(job)


def dead_letters(call: Call) -> Answer:
    """`GET /v2/dlq`."""
    query = _page(call, default=100, most=100)

    def job(tx: Transaction) -> Response:
        found = tx.find(DeadLetter, query)
        shown = [shapes.dead_letter(one, about) for one in found if (about := tx.get(Message, one.message))]
        return json_response(200, {"messages": shown} | _cursor(query, [one.pos for one in found]))

    return call.desk.read(job)


def dead_letter(call: Call) -> Answer:
    """`GET /v2/dlq/{id}`."""

    def job(tx: Transaction) -> Response:
        letter = _letter(call, tx)
        message = tx.get(Message, letter.message)
        if message is None:
            raise _no_letter(call)
        return json_response(200, shapes.dead_letter(letter, message))

    return call.desk.read(job)


def delete_dead_letter(call: Call) -> Answer:
    """`DELETE /v2/dlq/{id}`."""

    def job(tx: Transaction, _: Moment) -> Response:
        tx.apply(Changes(drop=[_letter(call, tx)]))
        return json_response(200, {})

    return call.desk.write(job)


def _letter(call: Call, tx: Transaction) -> DeadLetter:
    pos = parse_position(call.names["dead_letter"])
    letter = None if pos is None else tx.get(DeadLetter, pos)
    if letter is None or letter.tenant != call.tenant.name:
        raise _no_letter(call)
    return letter


def _no_letter(call: Call) -> Refused:
    return Refused(404, f"dead letter {call.names['dead_letter']} not found")


def _page(call: Call, default: int, most: int) -> Query:
    """Return the page the query parameters ask for, newest first."""
    asked = dict(call.query())
    where = [Where("tenant", "=", call.tenant.name)]
    if asked.get("cursor"):
        pos = parse_position(asked["cursor"])
        if pos is None:
            raise Refused(400, f"invalid cursor {asked['cursor']!r}")
        where.append(Where("pos", "<", pos))
    count = int(asked.get("count") or default)
    return Query(tuple(where), order=("pos",), descending=True, limit=min(count, most))


def _cursor(query: Query, positions: list[int]) -> dict[str, str]:
    return {"cursor": position(positions[-1])} if len(positions) == query.limit else {}
