"""What the broker remembers: plain frozen records.

Times are milliseconds since the epoch, durations milliseconds unless the name says otherwise. New fields are added at
the end, with a default, because records are stored as arrays.
"""

from typing import Literal

from msgspec import Struct

from ringback.wire.filters import Filter
from ringback.wire.options import Callback, FlowControl, Options, Redaction

Kind = Literal["plain", "step", "call", "call_result", "failure"]
LaneKind = Literal["queue", "flow"]
RunState = Literal["RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]
FailureState = Literal["CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED"]
State = Literal["CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED"]
HeaderLines = tuple[tuple[str, str], ...]


class Record(Struct, frozen=True, array_like=True):
    """What all records derive from; array_like keeps the stored form small and fast."""


class RunRef(Record, frozen=True, array_like=True):
    """Which run a message belongs to, and as what.

    Attributes:
        run: number of the run.
        entry: which entry of the run's list the message delivers, "" for none.
        features: feature set it was sent with.
        callback: where the answer of a third-party call is reported.
    """

    run: int
    entry: str = ""
    features: tuple[str, ...] = ()
    callback: Callback | None = None


class Message(Record, frozen=True, array_like=True):
    """A request to be delivered, as it was accepted; never changes.

    Attributes:
        seq: its number; enqueue order.
        tenant: whose it is.
        headers: what the destination gets, canonical names, Content-Type included.
        holds: queue whose slot this message keeps until its end (a callback of a queued message).
        fixed: `not_before` was asked for as a time, not as a delay.
    """

    seq: int
    tenant: str
    url: str
    method: str
    headers: HeaderLines
    body: bytes
    created_at: int
    not_before: int
    retries: int
    timeout_ms: int
    retry_delay: str | None = None
    callback: Callback | None = None
    failure_callback: Callback | None = None
    labels: tuple[str, ...] = ()
    flow: FlowControl | None = None
    queue: str | None = None
    group: str | None = None
    endpoint: str | None = None
    schedule: str | None = None
    caller_ip: str = ""
    redact: Redaction | None = None
    holds: str | None = None
    kind: Kind = "plain"
    run: RunRef | None = None
    fixed: bool = False


class Delivery(Record, frozen=True, array_like=True):
    """Where a message that has not ended stands.

    Exactly one holds: it waits for a time (`wake_at`), it waits in a lane (`lane`), or a node attempts it (`lease`).

    Attributes:
        due_at: when the coming attempt is, or was, due.
        retried: retries so far.
        queued: it holds a slot of its queue, until its end.
        run: number of its run, 0 for none.
        queue_made_at: when the queue was made whose slot a callback holds, or that a message was enqueued to while a former one
            was being deleted: a queue that was made before or later under the same name is another one. 0 for whichever there is.
    """

    seq: int
    tenant: str
    due_at: int
    wake_at: int | None = None
    lane: str | None = None
    lease: int | None = None
    retried: int = 0
    queued: bool = False
    cancel_requested: bool = False
    queue: str | None = None
    run: int = 0
    queue_made_at: int = 0


class Lane(Record, frozen=True, array_like=True):
    """A queue or a flow-control key: what may run at once, and what does.

    Attributes:
        parallelism: most slots taken at once, None for no limit.
        rate: most starts in one period of `period` seconds, None for no limit.
        active: slots taken.
        waiting: messages that are due and wait in the lane.
        rate_count: starts in the period that began at `period_at`.
        wake_at: when a waiting message may pass although nothing ends before.
        deleting: number of the removal that empties the queue; nothing passes until it is through.
        anew: it was made again meanwhile, so that it stays, with what was enqueued since.
        paused: nothing passes. A queue that is being deleted always is: brokers of a release that does not know of `deleting`
            leave it alone for that.
        begins_paused: whether one that was made again is to be paused when it begins.
    """

    tenant: str
    kind: LaneKind
    name: str
    parallelism: int | None = None
    rate: int | None = None
    period: int = 1
    paused: bool = False
    pinned_parallelism: bool = False
    pinned_rate: bool = False
    active: int = 0
    waiting: int = 0
    rate_count: int = 0
    period_at: int = 0
    created_at: int = 0
    updated_at: int = 0
    wake_at: int | None = None
    deleting: int = 0
    anew: bool = False
    begins_paused: bool = False


class Event(Record, frozen=True, array_like=True):
    """One line of a message's history; `facets` is what it is filtered by."""

    pos: int
    tenant: str
    message: int
    state: State
    at: int
    next_at: int | None = None
    error: str | None = None
    status: int | None = None
    headers: HeaderLines = ()
    body: bytes = b""
    facets: int = 0


class Facets(Record, frozen=True, array_like=True):
    """What messages of one sort have in common; see `rules.facets`.

    Attributes:
        id: a hash of all the rest, the day left out.
        day: a day on which it was in use, counted from the epoch.
        of_run: 1 for messages of workflow runs.
    """

    id: int
    day: int
    tenant: str
    url: str
    caller_ip: str
    queue: str | None
    group: str | None
    schedule: str | None
    flow_key: str | None
    labels: tuple[str, ...]
    of_run: int


class FacetLabel(Record, frozen=True, array_like=True):
    """One label of facets, so that they are found by it."""

    tenant: str
    label: str
    facets: int


class Stretch(Record, frozen=True, array_like=True):
    """A part of history that does not change any more, and what it is about; see `stores.stretches`.

    Attributes:
        of: table of its records.
        upto: place of its last record.
        after: place before its first record.
        about: a short hash of each value that its messages are filtered by, one after the other.
    """

    of: str
    upto: int
    after: int
    about: bytes


class DeadLetter(Record, frozen=True, array_like=True):
    """A message that was given up, with the last answer it got."""

    pos: int
    tenant: str
    message: int
    status: int
    headers: HeaderLines
    body: bytes
    error: str | None = None
    retried: int = 0
    run: int = 0
    facets: int = 0


class Dedup(Record, frozen=True, array_like=True):
    """A deduplication id that is taken until `expires_at`."""

    tenant: str
    id: str
    message: int
    expires_at: int


class Endpoint(Struct, frozen=True):
    """One destination of a URL group."""

    url: str
    name: str | None = None


class UrlGroup(Record, frozen=True, array_like=True):
    """A named set of endpoints, with default headers for publishes to it."""

    tenant: str
    name: str
    endpoints: tuple[Endpoint, ...]
    created_at: int
    updated_at: int
    headers: HeaderLines = ()


class SigningKeys(Record, frozen=True, array_like=True):
    """The keys of one tenant: deliveries are signed with `current`; `next` takes its place on rotation."""

    tenant: str
    current: str
    next: str


class Schedule(Record, frozen=True, array_like=True):
    """A message that is made again and again.

    Attributes:
        cron: as given, its time zone included.
        destination: URL or name of a URL group, `is_group` tells which.
        options: of each message it makes.
        wake_at: when the next tick is due, None while paused.
        last_at: when it last ticked.
        last_messages: numbers of the messages the last tick made.
        error: why the last tick made none.
    """

    tenant: str
    id: str
    cron: str
    destination: str
    is_group: bool
    options: Options
    body: bytes
    caller_ip: str
    created_at: int
    queue: str | None = None
    paused: bool = False
    wake_at: int | None = None
    last_at: int | None = None
    last_messages: tuple[int, ...] = ()
    error: str | None = None


class DailyCount(Record, frozen=True, array_like=True):
    """How many messages an account has published on a day (days since the epoch, UTC)."""

    tenant: str
    day: int
    count: int


class MinuteCounts(Record, frozen=True, array_like=True):
    """What happened to the messages of an account in one minute, as one node counted it.

    Attributes:
        minute: minutes since the epoch.
        node: number of the node that counted.
        accepted, delivered, failed, canceled: messages.
        errors, retries: attempts that failed, and those that were tried again.
        attempt_ms: milliseconds all attempts took.
        attempts: how many attempts took how long; see `rules.counting.BOUNDS_MS`.
    """

    tenant: str
    minute: int
    node: int
    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    canceled: int = 0
    errors: int = 0
    retries: int = 0
    attempt_ms: int = 0
    attempts: tuple[int, ...] = ()


class BulkAction(Record, frozen=True, array_like=True):
    """A bulk cancel that was carried out, asked for at `at`; at once where it does not say when it was completed."""

    pos: int
    tenant: str
    total: int
    at: int
    filter: HeaderLines = ()
    completed_at: int | None = None


class BulkCancel(Record, frozen=True, array_like=True):
    """A bulk cancel that is under way, the newest messages first; a `BulkAction` of the same number takes its place.

    Attributes:
        chosen: which messages.
        asked: the same, as it was asked.
        upto: number of the newest message it still has to look at.
        total: how many there were when it was asked for.
        canceled: how many it has canceled.
    """

    pos: int
    tenant: str
    chosen: Filter
    asked: HeaderLines
    at: int
    upto: int
    total: int
    canceled: int = 0


class Removal(Record, frozen=True, array_like=True):
    """Very many things that are ended in small steps: what a deleted queue left behind, or runs that are canceled in bulk.

    Attributes:
        after, upto: numbers of the last one it has looked at, and of the last it has to look at.
        done: how many it has ended.
        open: 1 until it is through, then None.
        queue: the queue that is being deleted.
        runs: which runs are canceled, at most `left` more; `exact` says whether URLs are meant whole.
        numbers: the same, where they were chosen one by one.
    """

    pos: int
    tenant: str
    at: int
    upto: int
    after: int = 0
    done: int = 0
    open: int | None = 1
    queue: str | None = None
    runs: Filter | None = None
    exact: bool = False
    left: int = 0
    numbers: tuple[int, ...] = ()


class AuditEntry(Record, frozen=True, array_like=True):
    """An administrative call that was carried out.

    Attributes:
        call: method and path, its variable parts in braces, such as `POST /v2/queues/{queue}/pause`.
        target: what it was about: the values of those parts and the query, without tokens.
        body: the request's body, where it is configuration and no payload.
    """

    pos: int
    tenant: str
    at: int
    caller_ip: str
    call: str
    target: HeaderLines = ()
    body: str = ""


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
    """

    run: int
    identity: str
    message: int
    call_type: str
    body: bytes
    place: int | None = None
    child: int | None = None
    cut_short: bytes = b""


class Waiter(Record, frozen=True, array_like=True):
    """A step that waits for an event.

    Attributes:
        step: the step's JSON, to be completed with the event.
        options: of the message that will carry it.
        wake_at: when it has waited long enough.
        timeout: how long that is, as it was asked.
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


class SavedEvent(Record, frozen=True, array_like=True):
    """An event that came for one run before the run waited for it."""

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


class SetBack(Struct, frozen=True):
    """A clock that was set back, as long as what waits is still being brought forward.

    Attributes:
        by: milliseconds.
        before: newest number when it was right last: whatever has a lower one was made before it was set back.
        noted, noted_at: newest number when that was noticed, and what the clock said: whatever was made between the two tells
            by its time.
        stage, after, after_key: which kind is being looked at, and up to where: a time, a number, or a key.
    """

    by: int
    before: int
    noted: int
    noted_at: int
    stage: int = 0
    after: int = 0
    after_key: tuple[str, ...] = ()


class Node(Record, frozen=True, array_like=True):
    """A broker process at work; its row is gone when it has stopped, or when the others have heard nothing of it.

    Attributes:
        slot: its part in the numbers it makes, 0 to 63; unlike any other node's.
        number: what its leases say.
        beats: grows as long as it lives.
        name: host and process.
        release: version it runs.
        seen, seen_at: the newest number at a time, and what its clock said then; one that is alone tells by them after a start
            that its clock was set back meanwhile.
        set_back: its clock was set back, and what waits for it is being brought forward.
    """

    slot: int
    number: int
    beats: int = 0
    since_at: int = 0
    name: str = ""
    release: str = ""
    seen: int = 0
    seen_at: int = 0
    set_back: SetBack | None = None
