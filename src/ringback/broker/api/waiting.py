"""Waiting for events, sending them, and the addresses third parties call (workflow protocol 2.6 to 2.8, 3.3)."""

from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from ringback.broker.api import run_shapes
from ringback.broker.api.at_work import always, visible, visibly
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.ids import message_id
from ringback.broker.operations.runs import wait as waiting
from ringback.broker.operations.runs.end import base64_text
from ringback.broker.operations.runs.ingest import active_run, options_of
from ringback.broker.operations.runs.webhooks import has_webhook
from ringback.broker.records import ActiveRun, Run
from ringback.broker.rules.callbacks import grouped
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_size
from ringback.broker.rules.runs import checked_step
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire import duration
from ringback.wire.headers import LONGEST_ID, lines_of
from ringback.wire.http import Response, canonical

_MOST_SLASHES = 16


class _WaitBody(Struct):
    step: msgspec.Raw
    url: str = ""
    timeout: str | int | float = "7d"
    headers: dict[str, list[str] | str] = msgspec.field(name="timeoutHeaders", default_factory=dict)


@visibly(always)
def wait(call: Call) -> Answer:
    """Let a step wait for an event."""
    body = call.json(_WaitBody)
    options = options_of(body.headers)
    run_id = options.workflow.run_id if options.workflow else call.request.header("upstash-workflow-runid") or ""
    timeout = body.timeout if isinstance(body.timeout, str) else f"{int(body.timeout)}s"
    timeout_ms = duration.parse_field("timeout", timeout)
    event, step = _checked(_event_id(call)), checked_step(bytes(body.step))
    wanted = waiting.Wait(event, timeout_ms, timeout, step, options, body.url, tuple(lines_of(body.headers)))

    def job(tx: Transaction, moment: Moment) -> Response:
        run = active_run(tx, call.tenant.name, run_id)
        seq = waiting.wait(tx, run, wanted, call.settings.limits, moment)
        return json_response(200, {"messageId": message_id(seq)})

    return call.desk.write(job)


@visibly(always)
def notify(call: Call) -> Answer:
    """Wake the steps that wait for an event, of all runs or of one."""
    text = _event_id(call)
    check_size(call.request.body, call.settings.limits)

    def job(tx: Transaction, moment: Moment) -> Response:
        run, event = _of_a_run(tx, call.tenant.name, text)
        limits = call.settings.limits
        try:
            event = _checked(event)
        except Refused as error:
            raise visible(error, call.request, always) from error
        woken = waiting.notify(tx, call.tenant.name, event, call.request.body, run, limits, moment)
        return json_response(201, [_woken(one) for one in woken])

    return call.desk.write_anyhow(job)


def _of_a_run(tx: Transaction, tenant: str, text: str) -> tuple[Run | None, str]:
    """Tell apart `{run}/{event}` and an event for all: ids of both may hold slashes, and only what is active is a run."""
    ends = [at for at, one in enumerate(text[:-1]) if one == "/"][:_MOST_SLASHES]
    for end in ends:
        active = tx.get(ActiveRun, tenant, text[:end])
        run = tx.get(Run, active.run) if active else None
        if run is not None:
            return run, text[end + 1 :]
    return None, text


def waiters(call: Call) -> Answer:
    """List who waits for an event."""
    event = _event_id(call)

    def job(tx: Transaction) -> Response:
        found = waiting.waiters_of(tx, call.tenant.name, event)
        return json_response(200, [run_shapes.waiter(one) for one in found])

    return call.desk.read(job)


def hook(call: Call) -> Answer:
    """Take a third party's call of the address that a run has given it."""
    tenant, run_id = call.names["user"], call.names["run"]
    check_size(call.request.body, call.settings.limits)
    event, captured = _checked(call.names["event"]), msgspec.json.encode(_captured(call))

    def job(tx: Transaction, moment: Moment) -> Response:
        active = tx.get(ActiveRun, tenant, run_id)
        run = tx.get(Run, active.run) if active else None
        if run is None:
            raise Refused(404, f"workflow run {run_id} not found")
        if not has_webhook(tx, run, event):
            raise Refused(404, f"workflow run {run_id} has no webhook {event}")
        waiting.notify(tx, tenant, event, captured, run, call.settings.limits, moment)
        return json_response(200, {})

    return call.desk.write_anyhow(job)


def _captured(call: Call) -> dict[str, Any]:
    request = call.request
    captured: dict[str, Any] = {
        "method": request.method,
        "header": grouped(tuple((canonical(name), value) for name, value in request.headers)),
    }
    if request.body:
        captured["body"] = base64_text(request.body)
    outermost = (request.header("x-forwarded-proto") or "").partition(",")[0].strip().lower()  # each proxy adds its own
    proto = outermost if outermost in ("http", "https") else "http"
    return captured | {"proto": proto, "host": request.header("host") or "", "url": request.target}


def _woken(one: waiting.Woken) -> dict[str, Any]:
    shape: dict[str, Any] = {"waiter": run_shapes.waiter(one.waiter)} if one.waiter else {}
    return shape | {
        "messageId": message_id(one.message),
        "deduplicated": False,
        "error": "",
        "workflowRunId": one.run.run_id,
        "workflowCreatedAt": one.run.created_at,
    }


def _event_id(call: Call) -> str:
    """Everything after the fixed part: event ids may hold slashes, and clients do not encode them."""
    event = unquote(call.names["event"].partition("?")[0])
    if not event:
        raise Refused(400, "missing event id")
    return event


def _checked(event: str) -> str:
    if len(event) > LONGEST_ID:
        raise Refused(400, f"invalid event id: longer than {LONGEST_ID} characters")
    return event
