"""What stands between the broker and an endpoint (an extension of ours)."""

from typing import Any

from msgspec import Struct

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import checked_destination
from ringback.broker.records import Run
from ringback.broker.rules.preflight import Finding, Verdict
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.http import Response


class Look(Struct):
    """What `POST /v2/preflight` takes.

    Attributes:
        url: the endpoint.
        workflow: whether a workflow is served there; without it, whether a run was ever started there.
    """

    url: str
    workflow: bool | None = None


def known(call: Call) -> Answer:
    """Show what is known of the way to an endpoint from its deliveries and former looks."""
    url = dict(call.query()).get("url", "")
    if not url:
        raise Refused(400, "missing query parameter url")
    verdict = call.preflights.known(call.tenant.name, url)
    if verdict is None:
        raise Refused(404, "nothing is known of this url; POST /v2/preflight looks")
    return json_response(200, _shape(verdict))


def look(call: Call) -> Answer:
    """Ask an endpoint from where the broker is, without consequences there."""
    asked = call.json(Look)
    destination = checked_destination(call, asked.url)
    if destination.is_group:
        raise Refused(400, "invalid url: expected an absolute http or https url")
    return _look(call, destination.text, asked.workflow)


async def _look(call: Call, url: str, is_workflow: bool | None) -> Response:
    if is_workflow is None:
        is_workflow = await call.desk.read(lambda tx: _has_run(tx, call.tenant.name, url))
    verdict = await call.preflights.look(call.tenant.name, url, is_workflow=is_workflow)
    return json_response(200, _shape(verdict) | {"workflow": is_workflow})


def _has_run(tx: Transaction, tenant: str, url: str) -> bool:
    where = (Where("tenant", "=", tenant), Where("url", "=", url))
    return bool(tx.find(Run, Query(where, order=("seq",), descending=True, limit=1)))


def _shape(verdict: Verdict) -> dict[str, Any]:
    return {
        "url": verdict.url,
        "checkedAt": verdict.at,
        "how": verdict.how,
        "ok": verdict.is_good,
        "findings": [_finding(one) for one in verdict.findings],
    }


def _finding(one: Finding) -> dict[str, str]:
    told = {"subject": one.subject, "state": one.state, "text": one.text}
    return told | {"remedy": one.remedy} if one.remedy else told
