"""Messages, and where those stand that have not ended."""

from typing import Literal

from ringback.broker.records.base import HeaderLines, Record
from ringback.wire.options import Callback, FlowControl, Redaction

Kind = Literal["plain", "step", "call", "call_result", "failure"]


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


class Dedup(Record, frozen=True, array_like=True):
    """A deduplication id that is taken until `expires_at`."""

    tenant: str
    id: str
    message: int
    expires_at: int


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
