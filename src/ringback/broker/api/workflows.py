"""Runs of workflows: start, look at, end (workflow protocol 1.5, 3.2, 3.4)."""

from msgspec.structs import replace

from ringback.broker.api import run_shapes
from ringback.broker.api.bulk import LONGEST
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import read_flag, read_trim
from ringback.broker.api.shapes import Shape
from ringback.broker.changes import Changes
from ringback.broker.ids import first_id_at, parse_message_id, parse_position, position
from ringback.broker.operations.publication import Publication
from ringback.broker.operations.removal import remove_runs
from ringback.broker.operations.runs.append import all_entries
from ringback.broker.operations.runs.cancel import Wish, end_by_id, of_runs
from ringback.broker.operations.runs.history import load_history
from ringback.broker.operations.runs.ingest import trigger as start
from ringback.broker.operations.selection import within_dates
from ringback.broker.records import ActiveRun, BulkAction, Delivery, Entry, Progress, Removal, Run
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_size
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.batch import in_item, read_batch
from ringback.wire.destination import Destination, classify
from ringback.wire.filters import RUN_CANCEL_FIELDS, RUN_FIELDS, Filter, read_filter
from ringback.wire.header_values import integer
from ringback.wire.http import Response
from ringback.wire.options import Options
from ringback.wire.trace import traced

_MOST_RUNS = 10
_MOST_EVENTS = 1000
_MOST_RUNS_OF_EVENTS = 100
_MOST_RUNS_OF_IDS = 10_000
_WISHES: dict[str | None, Wish] = {"false": "finish", "true": "cancel", None: "cancel if active"}


def trigger(call: Call) -> Answer:
    """Start a run of the workflow at a URL."""
    target, options = call.asked()
    publication = _publication(call, classify(target), options, call.request.body)

    def job(tx: Transaction, moment: Moment) -> Response:
        run, published = start(tx, publication, call.settings.limits, moment)
        told: dict[str, object] = {"workflowRunId": run.run_id, "workflowCreatedAt": run.created_at}
        return json_response(200, told | {"deduplicated": True} if published.deduplicated else told)

    return call.desk.write(job)


def trigger_batch(call: Call) -> Answer:
    """Start several runs, all or none."""
    items = read_batch(call.request.body)
    publications = []
    for number, item in enumerate(items):
        try:
            publications.append(_publication(call, item.destination, item.options, item.body))
        except Refused as error:
            raise in_item(number, error) from error

    def job(tx: Transaction, moment: Moment) -> Response:
        told = []
        for number, publication in enumerate(publications):
            try:
                run, published = start(tx, publication, call.settings.limits, moment)
            except Refused as error:
                raise in_item(number, error) from error
            told.append(
                {
                    "workflowRunId": run.run_id,
                    "workflowCreatedAt": run.created_at,
                    "deduplicated": published.deduplicated,
                }
            )
        return json_response(201, told)

    return call.desk.write(job)


def _publication(call: Call, destination: Destination, options: Options, body: bytes) -> Publication:
    if destination.is_group:
        raise Refused(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    options = traced(options, call.request)
    return Publication(call.tenant.name, destination.text, False, options, body, call.request.peer)


def entries(call: Call) -> Answer:
    """Show the whole list of an active run."""
    run_id = call.names["run"]

    def job(tx: Transaction) -> Response:
        active = tx.get(ActiveRun, call.tenant.name, run_id)
        if active is None:
            raise Refused(404, f"workflow run {run_id} not found")
        return json_response(200, [run_shapes.raw_entry(entry) for entry in all_entries(tx, active.run)])

    return call.desk.read(job)


def end(call: Call) -> Answer:
    """Finish a run with a result, no larger than a message, or cancel it, as `cancel` says."""
    asked = dict(call.query()).get("cancel")
    wish = _WISHES.get(asked and asked.lower())
    if wish is None:
        raise Refused(400, f"invalid cancel {asked!r}: expected true or false")
    check_size(call.request.body, call.settings.limits)
    result = call.request.body.decode("utf-8", "replace") if call.request.body else None

    said = call.request.header("upstash-workflow-createdat")
    created_at = integer("Upstash-Workflow-CreatedAt", said) if said else None
    limits = call.settings.limits

    def job(tx: Transaction, moment: Moment) -> Response:
        end_by_id(tx, call.tenant.name, call.names["run"], wish, result, limits, moment, created_at=created_at)
        return json_response(200, {})

    return call.desk.write_anyhow(job)


async def cancel_many(call: Call) -> Response:
    """Cancel runs by ids, by filters, or all; the answer waits for the last of very many, at most a minute."""
    query = [pair for pair in call.query() if pair[0] not in ("workflowUrlExactMatch", "qstash_token")]
    exact = read_flag(call, "workflowUrlExactMatch")
    filter_ = read_filter(query, call.request.body, fields=RUN_CANCEL_FIELDS, strict=True)
    tenant, limits = call.tenant.name, call.settings.limits

    def job(tx: Transaction, moment: Moment) -> Removal:
        return remove_runs(tx, tenant, filter_, limits, moment, exact=exact)

    begun: BulkAction | Removal | None = await call.desk.write_anyhow(job)
    if isinstance(begun, Removal) and begun.open:
        begun = await call.cancels.finish(begun.pos, LONGEST)
    if not isinstance(begun, Removal):
        raise Refused(429, "the runs have not been canceled within a minute; what was asked for goes on by itself")
    return json_response(200, {"cancelled": begun.done})


def logs(call: Call) -> Answer:
    """List runs with their steps, newest first."""
    filter_ = read_filter(call.query(), b"", fields=RUN_FIELDS, strict=False)
    count = min(_MOST_RUNS if filter_.count is None else max(1, filter_.count), _MOST_RUNS)
    query = _query(call.tenant.name, filter_, count)
    trim = read_trim(call)

    def job(tx: Transaction) -> Response:
        found = _found(tx, query, filter_)
        shown = [run_shapes.run(load_history(tx, run), trim) for run in found[:count]]
        cursor = position(found[count - 1].seq) if len(found) > count else ""
        return json_response(200, {"cursor": cursor, "runs": shown})

    return call.desk.read(job)


def events(call: Call) -> Answer:
    """List runs by `groupBy`, as the logs do, or one line for each change of a state.

    A page of lines holds whole runs: as many as make up `count` lines, and at least one.
    """
    grouping = dict(call.query()).get("groupBy")
    if grouping == "workflowRunId":
        return logs(call)
    if grouping:
        raise Refused(400, f"invalid groupBy {grouping!r}: expected workflowRunId")
    filter_ = read_filter(call.query(), b"", fields=RUN_FIELDS, strict=False)
    count = min(_MOST_EVENTS if filter_.count is None else max(1, filter_.count), _MOST_EVENTS)
    query, trim = _query(call.tenant.name, filter_, _MOST_RUNS_OF_EVENTS), read_trim(call)
    states = {state for name, value in call.query() if name == "state" for state in value.split(",") if state}

    def job(tx: Transaction) -> Response:
        lines: list[dict[str, object]] = []
        found, told = _found(tx, query, filter_), 0
        while told < min(len(found), _MOST_RUNS_OF_EVENTS) and len(lines) < count:
            changes = _lines(run_shapes.run(load_history(tx, found[told]), trim))
            lines += [line for line in changes if not states or line["state"] in states]
            told += 1
        lines.sort(key=lambda line: int(line["time"]), reverse=True)  # type: ignore[call-overload]
        cursor = position(found[told - 1].seq) if told < len(found) else ""
        return json_response(200, {"cursor": cursor, "events": lines})

    return call.desk.read(job)


def _lines(run: Shape) -> list[dict[str, object]]:
    """Return the changes of state that a run's history tells of."""
    told = {
        "workflowRunId": run["workflowRunId"],
        "workflowUrl": run["workflowUrl"],
        "workflowCreatedAt": run["workflowRunCreatedAt"],
    } | {name: run[name] for name in ("label", "labels") if name in run}
    if "workflowRunCallerIp" in run:
        told["callerIp"] = run["workflowRunCallerIp"]
    started = told | {"time": run["workflowRunCreatedAt"], "state": "RUN_STARTED"}
    if invoker := run.get("invoker"):
        started["invokerWorkflowRunId"] = invoker["workflowRunId"]
        started["invokerWorkflowUrl"] = invoker["workflowUrl"]
        started["invokerWorkflowCreatedAt"] = invoker["workflowRunCreatedAt"]
    lines: list[dict[str, object]] = [started]
    for group in run["steps"]:
        for step in group["steps"]:
            at = step.get("createdAt", run["workflowRunCreatedAt"])
            lines.append(told | {"time": at, "state": step["state"], "stepInfo": step})
    if "workflowRunCompletedAt" in run:
        ended = told | {"time": run["workflowRunCompletedAt"], "state": run["workflowState"]}
        more = {name: run[name] for name in ("workflowRunResponse", "dlqId") if name in run}
        lines.append(ended | more)
    return lines


def _query(tenant: str, filter_: Filter, count: int) -> Query:
    where = [Where("tenant", "=", tenant), *within_dates(filter_, "seq"), *of_runs(filter_)]
    if filter_.cursor:
        pos = parse_position(filter_.cursor)
        if pos is None:
            raise Refused(400, f"invalid cursor {filter_.cursor[:64]!r}")
        where.append(Where("seq", "<", pos))
    if filter_.run_urls:
        where.append(Where("url", "in", filter_.run_urls))
    if filter_.run_id:
        where.append(Where("run_id", "=", filter_.run_id))
    if filter_.run_created_at is not None:
        at = filter_.run_created_at
        where += [Where("seq", ">=", first_id_at(at)), Where("seq", "<", first_id_at(at + 1))]
    if filter_.run_states:
        where.append(Where("state", "in", filter_.run_states))
    return Query(tuple(where), order=("seq",), descending=True, limit=count + 1)


def _found(tx: Transaction, query: Query, filter_: Filter) -> list[Run]:
    """Find runs; only those that were chosen one by one, or those that a message belongs to, where that was asked for."""
    if filter_.runs:
        query = replace(query, where=(*query.where, Where("seq", "in", _chosen(tx, query.where[0], filter_))))
    if filter_.message_ids:
        seq = parse_message_id(filter_.message_ids[0])
        entries = tx.find(Entry, Query((Where("message", "=", -1 if seq is None else seq),), limit=_MOST_RUNS_OF_IDS))
        query = replace(query, where=(*query.where, Where("seq", "in", tuple({entry.run for entry in entries}))))
    return tx.find(Run, query)


def _chosen(tx: Transaction, of_tenant: Where, filter_: Filter) -> tuple[int, ...]:
    """Return the numbers of runs that were chosen by their ids, and by when they were created."""
    ids = tuple({run_id for run_id, _ in filter_.runs})
    where = (of_tenant, Where("run_id", "in", ids))
    found = tx.find(Run, Query(where, order=("seq",), descending=True, limit=_MOST_RUNS_OF_IDS))
    chosen = frozenset(filter_.runs)
    return tuple(run.seq for run in found if not chosen.isdisjoint({(run.run_id, run.created_at), (run.run_id, None)}))


def heartbeat(call: Call) -> Answer:
    """Say that a long step is alive, and how far it is."""
    body = call.json(dict[str, str | int | float | None])
    seq = parse_message_id(str(body.get("messageId") or ""))
    attempt = body.get("attempt")
    if seq is None or not isinstance(attempt, int):
        raise Refused(400, "invalid heartbeat: expected messageId and attempt")

    def job(tx: Transaction, moment: Moment) -> Response:
        active = tx.get(ActiveRun, call.tenant.name, call.names["run"])
        delivery = tx.get(Delivery, seq)
        if active is None or delivery is None or delivery.run != active.run:
            # not 404: that means to an SDK that the broker knows no heartbeats, and its step would go on
            raise Refused(409, f"no delivery of run {call.names['run']} is in flight for this message")
        if delivery.lease is None or delivery.retried != attempt:
            raise Refused(409, f"attempt {attempt} is not the current one, that is {delivery.retried}")
        said = body.get("progress")
        text = "" if said is None else str(said)[:1000]
        tx.apply(Changes(put=[Progress(active.run, seq, attempt, moment.now, text)]))
        return json_response(200, {})

    return call.desk.write(job)
