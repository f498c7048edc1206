"""What has happened, how it is found, and how it is counted."""

from typing import Literal

from ringback.broker.records.base import HeaderLines, Record

State = Literal["CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED"]


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
