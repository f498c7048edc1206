"""Messages of workflows as they come in: triggers, submitted steps, third-party calls (workflow protocol 1.2 to 1.6, 2)."""

import secrets
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.daily import count_message
from ringback.broker.operations.publication import Publication, Published
from ringback.broker.operations.runs.append import place
from ringback.broker.operations.runs.webhooks import note_webhook
from ringback.broker.records import ActiveRun, Dedup, Entry, Invoker, Message, Run, RunRef
from ringback.broker.rules import runs
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_quotas, dedup_id, message_from
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.headers import lines_of, read_options, size_of
from ringback.wire.options import Options, Workflow
from ringback.wire.redaction import both
from ringback.wire.unreadable import UNREADABLE

_STEP_ID = "Upstash-Workflow-Stepid"


def ingest(tx: Transaction, publication: Publication, limits: Limits, moment: Moment) -> Published:
    """Take in a message that carries workflow headers.

    Raises:
        Refused: 400 for a run that has ended or is not known, 412 above a quota.
    """
    workflow = publication.options.workflow
    if workflow is None or not workflow.run_id:
        raise Refused(400, "missing header Upstash-Workflow-RunId: expected the id of the run")
    if publication.is_group:
        raise Refused(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    check_quotas(publication.options, publication.body, limits, moment.now)
    if workflow.init:
        return _start_once(tx, publication, workflow, limits, moment)
    run = active_run(tx, publication.tenant, workflow.run_id, workflow.created_at)
    if workflow.call_type == "toCallback":
        return _call(tx, publication, run, limits, moment)
    return submit(tx, run, publication.options, publication.body, limits, moment)


def active_run(tx: Transaction, tenant: str, run_id: str, created_at: int | None = None) -> Run:
    """Return the run that an id stands for.

    Raises:
        Refused: 400, because clients take that for "has ended" and stop (workflow protocol 1.10).
    """
    active = tx.get(ActiveRun, tenant, run_id)
    run = None if active is None else tx.get(Run, active.run)
    if run is None or (created_at is not None and created_at != run.created_at):
        raise Refused(400, runs.ENDED)
    return run


def trigger(
    tx: Transaction, publication: Publication, limits: Limits, moment: Moment, *, confirmed: bool = False
) -> tuple[Run, Published]:
    """Start a run by URL: which SDK serves it is found out by its first delivery (workflow protocol 1.5)."""
    options = publication.options
    check_quotas(options, publication.body, limits, moment.now)
    run_id = options.workflow.run_id if options.workflow and options.workflow.run_id else new_run_id()
    active = tx.get(ActiveRun, publication.tenant, run_id)
    known = None if active is None else tx.get(Run, active.run)
    if known is not None:
        return known, Published(_first_message(tx, known), known.url, deduplicated=True)
    count_message(tx, publication.tenant, limits.messages_per_day, moment)
    workflow = Workflow(init=True, run_id=run_id, url=publication.destination)
    callback = runs.synthesised_failure_callback(publication.destination, options.headers, (), run_id)
    if options.failure_callback is not None:
        given = options.failure_callback
        headers = (*callback.options.headers, *given.options.headers)
        callback = replace(callback, url=given.url, options=replace(given.options, headers=headers))
    options = replace(options, failure_callback=callback, workflow=workflow)
    run = runs.new_run(
        publication.tenant,
        workflow,
        publication.destination,
        options,
        publication.caller_ip,
        moment,
        confirmed=confirmed,
    )
    return run, _begin(tx, run, options, publication.body, limits, moment)


def submit(
    tx: Transaction,
    run: Run,
    options: Options,
    body: bytes,
    limits: Limits,
    moment: Moment,
    identity: str | None = None,
) -> Published:
    """Take in a planned step or a result; a second one for the same step is answered with the first (1.12).

    Raises:
        Refused: 412 above the number of steps a run may have.
    """
    seq = moment.new_id()
    identity = identity or runs.identity(body, seq)
    known = tx.get(Entry, run.seq, identity)
    if known is not None and (known.body or known.place is not None):
        return Published(known.message, run.url, deduplicated=True)
    if known is None and run.entries >= runs.MOST_STEPS * 2:  # what waits for its end was let in before
        raise Refused(412, f"quota maxSteps exceeded, current limit: {runs.MOST_STEPS}")
    entry = Entry(run.seq, identity, seq, "step", body)
    if known is not None:
        entry = replace(entry, child=known.child, deadline=known.deadline)
    tx.apply(Changes(put=[entry]))
    note_webhook(tx, run, body, moment)
    accept(tx, runs.step_message(run, options, identity, limits, moment, seq=seq), moment)
    return Published(seq, run.url)


def new_run_id() -> str:
    """Return a fresh run id (workflow protocol 1.3)."""
    return f"wfr_{secrets.token_urlsafe(16)[:21]}"


def _start_once(
    tx: Transaction, publication: Publication, workflow: Workflow, limits: Limits, moment: Moment
) -> Published:
    """Start a run, unless one was started under the same deduplication id; that may have ended meanwhile."""
    taken = dedup_id(publication.options, publication.destination, publication.body)
    known = None if taken is None else tx.get(Dedup, publication.tenant, taken)
    if known is not None and known.expires_at > moment.now:
        return Published(known.message, publication.destination, deduplicated=True)
    published = _start(tx, publication, workflow, limits, moment)
    if taken is not None:
        expires_at = moment.now + limits.dedup_window_ms
        tx.apply(Changes(put=[Dedup(publication.tenant, taken, published.seq, expires_at)]))
    return published


def _start(tx: Transaction, publication: Publication, workflow: Workflow, limits: Limits, moment: Moment) -> Published:
    options = publication.options
    asked = _asked(tx, publication) if workflow.invoke else None
    before = None if asked is None else tx.get(Entry, asked.parent.seq, runs.identity(asked.step, 0))
    if before is not None:  # its answer may have been lost on its way
        return Published(before.message, publication.destination, deduplicated=True)
    active = tx.get(ActiveRun, publication.tenant, workflow.run_id)
    known = None if active is None else tx.get(Run, active.run)
    if known is not None:
        return _again(tx, known, options, workflow, limits, moment)
    url = workflow.url or publication.destination
    run = runs.new_run(publication.tenant, workflow, url, options, publication.caller_ip, moment, confirmed=True)
    if asked is None:
        count_message(tx, publication.tenant, limits.messages_per_day, moment)
        return _begin(tx, run, options, publication.body, limits, moment)
    return _invoke(tx, run, asked, options, limits, moment)


def _again(
    tx: Transaction, run: Run, options: Options, workflow: Workflow, limits: Limits, moment: Moment
) -> Published:
    """A trigger for a run that is active: the second phase of a start by URL, or a duplicate."""
    if workflow.invoke:
        raise Refused(412, f"the workflow run {run.run_id} is already active")
    if not workflow.trigger_by_sdk or run.confirmed:
        return Published(_first_message(tx, run), run.url, deduplicated=True)
    user, _ = runs.split_headers(options.headers)
    headers = {**dict(user), **dict(run.headers)}
    run = replace(run, confirmed=True, features=workflow.features, headers=tuple(headers.items()))
    first = tx.get(Entry, run.seq, "init")
    if first is None:
        raise Refused(400, runs.ENDED)
    message = runs.step_message(run, replace(options, delay_ms=None, not_before=None), "init", limits, moment)
    tx.apply(Changes(put=[run, replace(first, message=message.seq)]))
    accept(tx, message, moment)
    return Published(message.seq, run.url)


def _begin(tx: Transaction, run: Run, options: Options, payload: bytes, limits: Limits, moment: Moment) -> Published:
    message = runs.step_message(run, options, "init", limits, moment)
    entry = Entry(run.seq, "init", message.seq, "step", payload)
    tx.apply(Changes(put=[*runs.beginning(run, moment.now), entry]))
    accept(tx, message, moment)
    return Published(message.seq, run.url)


def _first_message(tx: Transaction, run: Run) -> int:
    first = tx.get(Entry, run.seq, "init")
    return first.message if first else run.seq


class _Envelope(Struct):
    """Body of an invoke (workflow protocol 2.9)."""

    step: msgspec.Raw
    run_id: str = msgspec.field(name="workflowRunId")
    body: str | None = None
    headers: dict[str, list[str] | str] = {}


class _Asked(NamedTuple):
    """A child that a step of a parent asks for."""

    parent: Run
    step: bytes
    envelope: _Envelope


def _asked(tx: Transaction, publication: Publication) -> _Asked:
    try:
        envelope = msgspec.json.decode(publication.body, type=_Envelope)
    except UNREADABLE as error:
        raise Refused(400, f"invalid invoke body: {error}") from error
    parent = active_run(tx, publication.tenant, envelope.run_id)
    return _Asked(parent, runs.checked_step(bytes(envelope.step)), envelope)


def _invoke(tx: Transaction, run: Run, asked: _Asked, options: Options, limits: Limits, moment: Moment) -> Published:
    """Start a child run; its parent's step is noted, so that asking twice starts one child."""
    parent, step, envelope = asked
    invoker = Invoker(parent.seq, step, options_of(envelope.headers))
    published = _begin(tx, replace(run, invoker=invoker), options, (envelope.body or "").encode(), limits, moment)
    identity = runs.identity(step, run.seq)
    tx.apply(Changes(put=[Entry(parent.seq, identity, published.seq, "step", b"", child=run.seq)]))
    return published


def options_of(headers: dict[str, list[str] | str]) -> Options:
    """Return the options in a JSON object of headers; names that differ in case only are one."""
    lines = lines_of({name.lower(): values for name, values in headers.items()})
    size_of(lines)
    return read_options(lines)


def _call(tx: Transaction, publication: Publication, run: Run, limits: Limits, moment: Moment) -> Published:
    """Make a third-party call on behalf of a step (workflow protocol 2.5)."""
    callback = publication.options.callback
    if callback is None:
        raise Refused(400, "missing header Upstash-Callback: a call reports to the workflow")
    step_id = dict(callback.options.headers).get(_STEP_ID)
    message = message_from(
        publication.tenant,
        publication.destination,
        publication.options,
        publication.body,
        run.caller_ip,
        limits,
        moment,
    )
    identity = f"c{step_id}" if step_id else f"m{message.seq:016x}"
    known = tx.get(Entry, run.seq, identity)
    if known is not None:
        return Published(known.message, publication.destination, deduplicated=True)
    place(tx, run, Entry(run.seq, identity, message.seq, "toCallback", publication.body))
    accept(tx, _as_call(message, run, identity, publication.options), moment)
    return Published(message.seq, publication.destination)


def _as_call(message: Message, run: Run, identity: str, options: Options) -> Message:
    features = options.workflow.features if options.workflow else ()
    reference = RunRef(run.seq, identity, features, options.callback)
    redact = both(message.redact, run.options.redact)
    return replace(message, kind="call", callback=None, failure_callback=None, run=reference, redact=redact)
