"""What the broker remembers: plain frozen records.

Times are milliseconds since the epoch, durations milliseconds unless the name says otherwise. New fields are added at
the end, with a default, because records are stored as arrays.
"""

from typing import Literal

from msgspec import Struct

from ringback.wire.options import Callback, FlowControl, Options, Redaction

Kind = Literal["plain", "step", "call", "call_result", "failure"]
LaneKind = Literal["queue", "flow"]
State = Literal["CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED"]
HeaderLines = tuple[tuple[str, str], ...]


class Record(Struct, frozen=True, array_like=True):
    """What all records derive from; array_like keeps the stored form small and fast."""


class RunRef(Record, frozen=True, array_like=True):
    """Which run a message belongs to, and as what.

    Attributes:
        run: number of the run.
        init: True for the first message, which carries the payload.
        sdk_version: protocol version the message was sent with.
        features: feature set it was sent with.
    """

    run: int
    init: bool = False
    sdk_version: str = ""
    features: tuple[str, ...] = ()


class Message(Record, frozen=True, array_like=True):
    """A request to be delivered, as it was accepted; never changes.

    Attributes:
        seq: its number; enqueue order.
        tenant: whose it is.
        headers: what the destination gets, canonical names, Content-Type included.
        holds: queue whose slot this message keeps until its end (a callback of a queued message).
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


class Delivery(Record, frozen=True, array_like=True):
    """Where a message that has not ended stands.

    Exactly one holds: it waits for a time (`wake_at`), it waits in a lane (`lane`), or a node attempts it (`lease`).

    Attributes:
        due_at: when the coming attempt is, or was, due.
        retried: retries so far.
        queued: it holds a slot of its queue, until its end.
        run: number of its run, 0 for none.
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


class Lane(Record, frozen=True, array_like=True):
    """A queue or a flow-control key: what may run at once, and what does.

    Attributes:
        parallelism: most slots taken at once, None for no limit.
        rate: most starts in one period of `period` seconds, None for no limit.
        active: slots taken.
        waiting: messages that are due and wait in the lane.
        rate_count: starts in the period that began at `period_at`.
        wake_at: when a waiting message may pass although nothing ends before.
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


class Event(Record, frozen=True, array_like=True):
    """One line of a message's history."""

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


class BulkAction(Record, frozen=True, array_like=True):
    """A bulk cancel that was carried out."""

    pos: int
    tenant: str
    total: int
    at: int
    filter: HeaderLines = ()
