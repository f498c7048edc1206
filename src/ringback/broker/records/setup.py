"""What an account has set up: queues and flow-control keys, URL groups, schedules, signing keys."""

from typing import Literal

from msgspec import Struct

from ringback.broker.records.base import HeaderLines, Record
from ringback.wire.options import Options

LaneKind = Literal["queue", "flow"]


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


class SigningKeys(Record, frozen=True, array_like=True):
    """The keys of one tenant: deliveries are signed with `current`; `next` takes its place on rotation."""

    tenant: str
    current: str
    next: str
