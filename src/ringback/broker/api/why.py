"""Why something is not further than it is, and what makes no progress at all (an extension of ours)."""

from typing import Any

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.ids import message_id, parse_message_id
from ringback.broker.operations.why import Stalled, message_causes, run_causes, stalled
from ringback.broker.operations.why_schedules import fruitless, schedule_causes
from ringback.broker.records import ActiveRun, Message, Run, Schedule
from ringback.broker.rules.why import Cause
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire import duration
from ringback.wire.http import Response

DEFAULT_LONGEST = "10m"
"""How long nothing may happen before it counts as making no progress."""


def why(call: Call) -> Answer:
    """Say why a message or a run is not further than it is, or a schedule makes no message."""
    asked, tenant = call.names["id"], call.tenant.name
    now, holding = call.desk.clock(), call.desk.holding()

    def job(tx: Transaction) -> Response:
        seq = parse_message_id(asked)
        message = tx.get(Message, seq) if seq is not None else None
        if message is not None and message.tenant == tenant:
            causes = message_causes(tx, message, now, holding)
            return json_response(200, {"id": asked, "url": message.url, "causes": _all(causes)})
        run = _run(tx, tenant, asked)
        if run is not None:
            causes = run_causes(tx, run, now, holding)
            return json_response(200, {"id": asked, "url": run.url, "causes": _all(causes)})
        schedule = tx.get(Schedule, tenant, asked)
        if schedule is None:
            raise Refused(404, f"there is no message, no run and no schedule {asked}")
        causes = schedule_causes(tx, schedule)
        return json_response(200, {"id": asked, "url": schedule.destination, "causes": _all(causes)})

    return call.desk.read(job)


def list_stalled(call: Call) -> Answer:
    """List the messages and runs that have made no progress for so long, and the schedules that make no message, with causes."""
    longest = duration.parse(dict(call.query()).get("for") or DEFAULT_LONGEST)
    now, holding = call.desk.clock(), call.desk.holding()

    def job(tx: Transaction) -> Response:
        found = [shape(one) for one in stalled(tx, call.tenant.name, longest, now, holding)]
        found += [
            {"url": schedule.destination, "causes": _all(causes), "scheduleId": schedule.id}
            for schedule, causes in fruitless(tx, call.tenant.name)
        ]
        return json_response(200, {"stalled": found})

    return call.desk.read(job)


def shape(one: Stalled) -> dict[str, Any]:
    """Return what makes no progress as JSON."""
    told: dict[str, Any] = {"url": one.url, "causes": _all(one.causes)}
    if one.message:
        told["messageId"] = message_id(one.message)
    if one.run_id:
        told["workflowRunId"] = one.run_id
    return told


def _all(causes: list[Cause] | tuple[Cause, ...]) -> list[dict[str, Any]]:
    return [_cause(cause) for cause in causes]


def _cause(cause: Cause) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": cause.kind, "text": cause.text, "since": cause.since}
    if cause.until is not None:
        told["until"] = cause.until
    if cause.remedy:
        told["remedy"] = cause.remedy
    return told


def _run(tx: Transaction, tenant: str, run_id: str) -> Run | None:
    """Return the active run of an id, else the last one."""
    active = tx.get(ActiveRun, tenant, run_id)
    if active is not None:
        return tx.get(Run, active.run)
    where = (Where("tenant", "=", tenant), Where("run_id", "=", run_id))
    found = tx.find(Run, Query(where, order=("seq",), descending=True, limit=1))
    return found[0] if found else None
