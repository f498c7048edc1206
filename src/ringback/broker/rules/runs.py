"""Runs: what a trigger makes, what identifies a step, and which settings each of their messages gets (workflow protocol 1)."""

import re
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from ringback.broker.records import ActiveRun, HeaderLines, Kind, Message, Record, Run, RunRef
from ringback.broker.rules.facets import described_run, with_facets
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import due_at
from ringback.broker.settings import Limits
from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire.options import Callback, Options, Workflow
from ringback.wire.unreadable import UNREADABLE

MOST_STEPS = 1000
DEEPEST_INVOKE = 100
ENDED = "failed to publish to url: can not append to a a cancelled workflow"
"""The reference's text, its doubled "a" included: programs match on it (workflow protocol 1.10)."""

_DEEPER = 100
"""Levels of nesting that are kept free for whoever reads a step from within more calls."""
_JSON = ("Content-Type", "application/json")
_UNKNOWN_SDK = "Upstash-Workflow-Unknown-Sdk"
_ADDRESSABLE = re.compile(r"[^/?#%\\]+(?:/[^/?#%\\]+)*")
_INVOKE_COUNT = "Upstash-Workflow-Invoke-Count"


def new_run(
    tenant: str, workflow: Workflow, url: str, options: Options, caller_ip: str, moment: Moment, *, confirmed: bool
) -> Run:
    """Return the run that a trigger makes, before it has any entry.

    Raises:
        Refused: 400 for an id that is lost in the addresses which SDKs put it in, so that the run could not be ended; 412 for one
            that is invoked too deep.
    """
    if not _ADDRESSABLE.fullmatch(workflow.run_id):
        raise Refused(
            400,
            "invalid header Upstash-Workflow-RunId: '?', '#', '%', '\\' and empty segments are lost in addresses",
        )
    user, protocol = split_headers(options.headers)
    counted = dict(protocol).get(_INVOKE_COUNT, "0")
    count = int(counted) if counted.isascii() and counted.isdigit() and len(counted) < 6 else 0
    if count > DEEPEST_INVOKE:
        raise Refused(412, f"quota maxInvokeDepth exceeded, current limit: {DEEPEST_INVOKE}")
    asks_handshake = any(name == _UNKNOWN_SDK for name, _ in protocol)
    run = Run(
        seq=moment.new_id(),
        tenant=tenant,
        run_id=workflow.run_id,
        url=url,
        created_at=moment.now,
        options=replace(options, headers=()),
        headers=user,
        features=workflow.features,
        caller_ip=caller_ip,
        confirmed=confirmed and not asks_handshake,
        unknown_sdk=asks_handshake or not confirmed,
        invoke_count=count,
    )
    return with_facets(run)


def beginning(run: Run, now: Instant) -> list[Record]:
    """Return what is written when a run begins, its list apart."""
    return [run, ActiveRun(run.tenant, run.run_id, run.seq), *described_run(run, now)]


def split_headers(headers: HeaderLines) -> tuple[HeaderLines, HeaderLines]:
    """Return the user's headers and those of the protocol among forwarded ones (workflow protocol 5.4).

    `Content-Type` is neither: deliveries are always JSON. What a transport added on the way is nobody's wish.
    """
    user: dict[str, str] = {}
    protocol: dict[str, str] = {}
    for name, value in headers:
        if name in ("Content-Type", "Accept-Encoding", "Ringback-Accept-Result"):
            continue
        if not name.startswith("Upstash-"):
            user[name] = value
        elif name.startswith("Upstash-Workflow-"):
            protocol[name] = value
    return tuple(user.items()), tuple(protocol.items())


def step_message(
    run: Run,
    options: Options,
    entry: str,
    limits: Limits,
    moment: Moment,
    *,
    seq: int | None = None,
    kind: Kind = "step",
) -> Message:
    """Return the message that delivers an entry of a run, or the answer of one of its calls.

    The settings of the trigger hold for all deliveries when the SDK knows so (`WF_TriggerOnConfig`); otherwise each message
    brings its own, and the trigger's fill the gaps.
    """
    workflow = options.workflow or Workflow()
    features = workflow.features or run.features
    strong, weak = (run.options, options) if "WF_TriggerOnConfig" in run.features else (options, run.options)
    user, protocol = split_headers(options.headers)
    if "WF_TriggerOnConfig" in run.features:
        user = ()
    retries = strong.retries if strong.retries is not None else weak.retries
    return Message(
        seq=moment.new_id() if seq is None else seq,
        tenant=run.tenant,
        url=run.url,
        method="POST",
        headers=(_JSON, *user, *protocol),
        body=b"",
        created_at=moment.now,
        not_before=due_at(options, moment.now),
        retries=limits.default_retries if retries is None else retries,
        timeout_ms=strong.timeout_ms or weak.timeout_ms or limits.timeout_ms,
        retry_delay=strong.retry_delay or weak.retry_delay,
        labels=run.options.labels,
        flow=strong.flow_control or weak.flow_control,
        caller_ip=run.caller_ip,
        redact=run.options.redact,
        kind=kind,
        run=RunRef(run.seq, entry, features),
        fixed=options.not_before is not None,
    )


class Step(Struct):
    """The part of a step's JSON that the server reads (workflow protocol 1.8)."""

    id: int | UnsetType = msgspec.field(name="stepId", default=UNSET)
    name: str = msgspec.field(name="stepName", default="")
    type: str = msgspec.field(name="stepType", default="")
    out: Any = UNSET
    concurrent: int | None = None
    target: int | UnsetType | None = msgspec.field(name="targetStep", default=UNSET)
    sleep_for: Any = msgspec.field(name="sleepFor", default=None)
    sleep_until: Any = msgspec.field(name="sleepUntil", default=None)
    wait_event_id: str | None = msgspec.field(name="waitEventId", default=None)
    timeout: Any = None
    wait_timeout: bool | None = msgspec.field(name="waitTimeout", default=None)
    call_url: str | None = msgspec.field(name="callUrl", default=None)
    call_method: str | None = msgspec.field(name="callMethod", default=None)
    call_body: Any = msgspec.field(name="callBody", default=None)
    call_headers: Any = msgspec.field(name="callHeaders", default=None)


_STEP = msgspec.json.Decoder(Step)


def read_step(body: bytes) -> Step | None:
    """Return the step in an entry's body, None if it is none."""
    try:
        return _STEP.decode(body)
    except UNREADABLE:
        return None


def checked_step(step: bytes) -> bytes:
    """Return a step that is kept to be completed later, if it can be.

    Raises:
        Refused: 400 for what is no JSON object, or is nested so deep that it could not be read where it is completed.
    """
    try:
        msgspec.json.decode(b"[" * _DEEPER + step + b"]" * _DEEPER)
    except UNREADABLE as error:
        raise Refused(400, f"invalid step: {error}") from error
    if not step.lstrip().startswith(b"{"):
        raise Refused(400, "invalid step: expected a JSON object")
    return step


def identity(body: bytes, seq: int) -> str:
    """Return what makes a second submission of a step a duplicate (workflow protocol 1.12).

    A result is known by its `stepId`, a plan by its `targetStep`; what is neither is never a duplicate.
    """
    step = read_step(body)
    if step is not None:
        if isinstance(step.target, int) and step.target > 0:
            return f"p{step.target}"
        if isinstance(step.id, int) and step.id > 0:
            return f"r{step.id}"
    return f"m{seq:016x}"


def failure_callback(run: Run) -> Callback | None:
    """Return where the failure of a run is reported."""
    return run.options.failure_callback


def synthesised_failure_callback(url: str, headers: HeaderLines, features: tuple[str, ...], run_id: str) -> Callback:
    """Return the failure callback a start by URL gets, so that the endpoint's own failure function runs (1.5)."""
    workflow = Workflow(run_id=run_id, url=url, call_type="failureCall", features=features)
    forwarded = (
        ("Upstash-Workflow-Is-Failure", "true"),
        ("Upstash-Workflow-Failure-Callback", "true"),
        *split_headers(headers)[0],
    )
    return Callback(url, Options(headers=forwarded, workflow=workflow))
