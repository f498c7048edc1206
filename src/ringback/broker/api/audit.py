"""The audit log: what administrators did, written in the transaction that did it; an extension of ours."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.changes import Changes
from ringback.broker.ids import parse_position, position
from ringback.broker.operations.desk import Desk
from ringback.broker.records import AuditEntry, HeaderLines
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Need, Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.destination import split
from ringback.wire.http import Response

T = TypeVar("T")
_MOST = 1000
_LONGEST_BODY = 1000


class AuditedDesk(Desk):
    """A desk that writes an entry with each job of one call.

    Args:
        desk: the desk that is used.
        entry: makes the entry.
    """

    def __init__(self, desk: Desk, entry: Callable[[Moment], AuditEntry]) -> None:
        super().__init__(desk.store, desk.ids, desk.clock, lambda: 0)
        self._desk = desk
        self._entry = entry

    def write(
        self,
        job: Callable[[Transaction, Moment], T],
        needs: Sequence[Need] = (),
        *,
        apart: bool = False,
        begin: bool = True,
    ) -> Awaitable[T]:
        """Run a job and note that it was; see `Desk.write`."""

        def noted(tx: Transaction, moment: Moment) -> T:
            result = job(tx, moment)
            tx.apply(Changes(put=[self._entry(moment)]))
            return result

        return self._desk.write(noted, needs, apart=apart, begin=begin)


def audited(call: Call, name: str, *, with_body: bool) -> Call:
    """Return the call with a desk that notes what it does.

    Args:
        call: an administrative call.
        name: method and path as they stand among the routes.
        with_body: whether the body is configuration, and may be kept.
    """
    if (
        "destination" in call.names
    ):  # its query belongs to it, but for the options and the token, which `split` takes out
        target: HeaderLines = (("destination", split(call.names["destination"])[0]),)
    else:
        query = parse_qsl(call.request.target.partition("?")[2])
        target = (*call.names.items(), *((key, value) for key, value in query if key != "qstash_token"))
    body = call.request.body[:_LONGEST_BODY].decode(errors="replace") if with_body else ""

    def entry(moment: Moment) -> AuditEntry:
        peer = call.request.peer
        return AuditEntry(moment.new_id(), call.tenant.name, moment.now, peer, name, target, body)

    call.desk = AuditedDesk(call.desk, entry)
    return call


def list_all(call: Call) -> Answer:
    """List what administrators did, newest first, a page at a time."""
    asked = dict(call.query())
    count = asked.get("count") or "100"
    if not (count.isascii() and count.isdigit() and 0 < len(count) < 9):
        raise Refused(400, f"invalid count {count!r}: expected a whole number")
    where = [Where("tenant", "=", call.tenant.name)]
    if asked.get("cursor"):
        before = parse_position(asked["cursor"])
        if before is None:
            raise Refused(400, f"invalid cursor {asked['cursor']!r}")
        where.append(Where("pos", "<", before))

    def job(tx: Transaction) -> Response:
        most = min(max(1, int(count)), _MOST)
        found = tx.find(AuditEntry, Query(tuple(where), order=("pos",), descending=True, limit=most + 1))
        cursor = {"cursor": position(found[most - 1].pos)} if len(found) > most else {}
        return json_response(200, {"entries": [_shape(one) for one in found[:most]]} | cursor)

    return call.desk.read(job)


def _shape(entry: AuditEntry) -> dict[str, object]:
    shape: dict[str, object] = {"time": entry.at, "call": entry.call, "callerIp": entry.caller_ip}
    if entry.target:
        shape["target"] = [{"name": name, "value": value} for name, value in entry.target]
    return shape | ({"body": entry.body} if entry.body else {})
