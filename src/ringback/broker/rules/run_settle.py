"""What the answers of a workflow's endpoint mean (workflow protocol 1.10, 2.5, 4.2)."""

import base64
from dataclasses import dataclass
from dataclasses import replace as replace_outcome

import msgspec

from ringback.broker.ids import position
from ringback.broker.records import DeadLetter, Message, Run, RunRef
from ringback.broker.rules.callbacks import grouped, payload
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import due_at
from ringback.broker.rules.runs import split_headers, step_message
from ringback.broker.settings import Limits
from ringback.errors import Refused
from ringback.wire.batch import BatchItem, Item, read_items
from ringback.wire.http import Outcome
from ringback.wire.options import Callback
from ringback.wire.redaction import of_report
from ringback.wire.unreadable import UNREADABLE

NOT_A_WORKFLOW = (
    "detected a non-workflow destination for trigger/invoke. "
    "make sure you are sending the request to the correct endpoint"
)
TOO_OLD = "trigger rest api is only usable with sdk versions after v1.0.0 major version"


def refusal(message: Message, run: Run, outcome: Outcome) -> str | None:
    """Return why a run fails at once although its endpoint answered 2xx, None if it does not."""
    if message.kind != "step" or not 200 <= outcome.status < 300:
        return None
    features = message.run.features if message.run else ()
    if outcome.header("Upstash-Workflow-Sdk-Version") is None:
        return NOT_A_WORKFLOW if "WF_DetectTrigger" in (*features, *run.features) or run.unknown_sdk else None
    if not run.confirmed and outcome.header("Upstash-workflow-sdk") is None:
        return TOO_OLD
    return None


@dataclass(frozen=True, slots=True)
class Carried:
    """What an answer carries that would otherwise come as requests of its own.

    Attributes:
        submit: steps and calls to take in.
        finished: the run's function has returned.
        result: what it returned, as JSON text.
        canceled: the run cancels itself.
    """

    submit: tuple[BatchItem, ...] = ()
    finished: bool = False
    result: str | None = None
    canceled: bool = False


class _Finish(msgspec.Struct):
    result: str | None = None


class _Result(msgspec.Struct):
    submit: list[Item] = []
    finish: _Finish | None = None
    cancel: bool = False
    discard: bool = False


def carried(outcome: Outcome) -> Carried | None:
    """Return what an answer carries, None if it carries nothing (the `Ringback-Result` extension).

    Raises:
        Refused: 400 where an item is wrong, or the body is not what the header says.
    """
    if outcome.header("Ringback-Result") != "1":
        return None
    try:
        result = msgspec.json.decode(outcome.body, type=_Result)
    except UNREADABLE as error:
        raise Refused(400, f"the answer carries a result that cannot be read: {error}") from error
    finish = result.finish
    try:
        items = tuple(read_items(result.submit))
    except Refused as error:
        raise Refused(error.status, not_taken(error)) from error
    return Carried(items, finish is not None, finish.result if finish else None, result.cancel)


def not_taken(error: Refused) -> str:
    """Return, for a person, that what an answer asks for was refused."""
    return f"the broker does not take what this delivery asks for: {error.text}"


def call_payload(message: Message, outcome: Outcome, retried: int) -> bytes:
    """Return what the endpoint is told of a third-party call: a call without an answer counts as a gateway's error.

    `retried` must read `maxRetries` on the last failed attempt, or official SDKs wait for another one (2.5).
    """
    if outcome.error is not None:
        status = 504 if outcome.timed_out else 502
        outcome = Outcome(status, [], outcome.error.encode())
    failed = not 200 <= outcome.status < 300
    return payload(message, outcome, message.retries if failed else retried)


def call_result_message(
    run: Run, callback: Callback, body: bytes, entry: str, limits: Limits, moment: Moment, seq: int
) -> Message:
    """Return the message that brings the answer of a third-party call to the endpoint."""
    message = step_message(run, callback.options, entry, limits, moment, seq=seq, kind="call_result")
    return msgspec.structs.replace(
        message, url=callback.url, body=body, redact=of_report(callback.options.redact, run.options.redact)
    )


def failure_message(
    run: Run, callback: Callback, failed: Message, letter: DeadLetter, source: bytes, limits: Limits, moment: Moment
) -> Message:
    """Return the message that calls the failure function of a run (workflow protocol 4.2)."""
    options = callback.options
    user, protocol = split_headers(options.headers)
    retries = options.retries if options.retries is not None else run.options.retries
    return Message(
        seq=moment.new_id(),
        tenant=run.tenant,
        url=callback.url,
        method=options.method or "POST",
        headers=(("Content-Type", "application/json"), *user, *protocol),
        body=failure_body(run, failed, letter, source),
        created_at=moment.now,
        not_before=due_at(options, moment.now),
        retries=limits.default_retries if retries is None else retries,
        timeout_ms=options.timeout_ms or run.options.timeout_ms or limits.timeout_ms,
        retry_delay=options.retry_delay or run.options.retry_delay,
        labels=run.options.labels,
        flow=options.flow_control or run.options.flow_control,
        caller_ip=run.caller_ip,
        redact=of_report(options.redact, run.options.redact),
        kind="failure",
        run=RunRef(run.seq),
        fixed=options.not_before is not None,
    )


def failure_body(run: Run, failed: Message, letter: DeadLetter, source: bytes) -> bytes:
    """Return the JSON of a failure callback, every key present: some receivers read them without asking."""
    answer = letter.body or msgspec.json.encode({"error": "Error", "message": letter.error or ""})
    told = {
        "status": letter.status,
        "header": grouped(letter.headers),
        "body": base64.b64encode(answer).decode(),
        "retried": letter.retried,
        "maxRetries": failed.retries,
        "sourceMessageId": f"msg_{failed.seq:016x}",
        "dlqId": position(letter.pos),
        "topicName": "",
        "endpointName": "",
        "url": run.url,
        "method": failed.method,
        "sourceHeader": grouped((("Content-Type", "application/json"), *run.headers)),
        "sourceBody": base64.b64encode(source).decode(),
        "notBefore": failed.not_before,
        "createdAt": failed.created_at,
        "scheduleId": "",
        "callerIP": run.caller_ip,
        "workflowRunId": run.run_id,
        "workflowCreatedAt": run.created_at,
        "workflowUrl": run.url,
    }
    return msgspec.json.encode(told)


def as_refused(outcome: Outcome, text: str) -> Outcome:
    """Return the outcome of an attempt whose answer the server could not accept: it failed for good, and `text` says why."""
    return replace_outcome(outcome, status=489, body=b"", error=text)
