"""Runs of workflows: their lists of entries, and what they wait for."""

from typing import Literal

from ringback.broker.records.base import HeaderLines, Record
from ringback.wire.options import Options

RunState = Literal["RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]
FailureState = Literal["CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED"]


class Invoker(Record, frozen=True, array_like=True):
    """The step of a parent run that waits for a run to end.

    Attributes:
        run: number of the parent run.
        step: the step's JSON, to be completed with the result.
        options: of the message that will carry it.
    """

    run: int
    step: bytes
    options: Options = Options()


class FailureFunction(Record, frozen=True, array_like=True):
    """How the failure function of a run is doing.

    Attributes:
        message: number of the delivery that calls it.
        status, headers, body: its answer.
    """

    message: int
    state: FailureState
    status: int = 0
    headers: HeaderLines = ()
    body: bytes = b""


class Run(Record, frozen=True, array_like=True):
    """One run of a workflow.

    Attributes:
        seq: its number; the id may be used again once the run has ended, the number never is.
        run_id: its id on the wire.
        url: where deliveries go.
        options: what the trigger asked for: retries, flow control, labels, failure callback ...
        headers: the trigger's own headers, sent with every delivery.
        features: feature set of the SDK.
        entries: length of the list, the payload included.
        confirmed: False while it is not known which SDK serves the URL (workflow protocol 1.5).
        unknown_sdk: the first delivery asks for that handshake.
        invoker: who waits for its end.
        result: JSON text the function returned.
        dead_letter: number of the dead letter of a failed run.
        failed_step: name of the step that failed, as the SDK told it.
        facets: what it is filtered by; None for runs that a former release began.
    """

    seq: int
    tenant: str
    run_id: str
    url: str
    created_at: int
    options: Options
    headers: HeaderLines = ()
    features: tuple[str, ...] = ()
    caller_ip: str = ""
    state: RunState = "RUN_STARTED"
    entries: int = 0
    confirmed: bool = True
    unknown_sdk: bool = False
    invoker: Invoker | None = None
    invoke_count: int = 0
    ended_at: int | None = None
    result: str | None = None
    dead_letter: int | None = None
    failed_step: str | None = None
    failure: FailureFunction | None = None
    facets: int | None = None


class ActiveRun(Record, frozen=True, array_like=True):
    """Which run an id stands for while it is active."""

    tenant: str
    run_id: str
    run: int


class Entry(Record, frozen=True, array_like=True):
    """One item of a run's list: the payload, a planned step, a result, or a trace of a third-party call.

    Attributes:
        run: number of the run.
        identity: what makes a second submission a duplicate: `r<stepId>`, `p<targetStep>`, `init`, or the message's own number.
        message: the message that delivers it.
        call_type: `step`, `toCallback` or `fromCallback`.
        body: exactly as it was published.
        place: position in the list, None until its time has come.
        child: number of the run this step has invoked.
        cut_short: the step's JSON, where it waited for an event when its run ended; it has no result.
        deadline: until when it waited, or waits, for an event.
    """

    run: int
    identity: str
    message: int
    call_type: str
    body: bytes
    place: int | None = None
    child: int | None = None
    cut_short: bytes = b""
    deadline: int | None = None


class Waiter(Record, frozen=True, array_like=True):
    """A step that waits for an event.

    Attributes:
        step: the step's JSON, to be completed with the event.
        options: of the message that will carry it.
        wake_at: when it has waited long enough.
        timeout: how long that is, as it was asked.
        headers: what `options` were read from, as it was asked.
    """

    tenant: str
    event_id: str
    seq: int
    run: int
    step: bytes
    options: Options
    wake_at: int
    timeout: str
    url: str
    headers: HeaderLines = ()


class SavedEvent(Record, frozen=True, array_like=True):
    """An event that came for one run before the run waited for it; or an address for one, see `operations/runs/webhooks`."""

    seq: int
    tenant: str
    run: int
    event_id: str
    data: bytes


class Progress(Record, frozen=True, array_like=True):
    """What a long step last said of itself."""

    run: int
    message: int
    attempt: int
    at: int
    text: str
