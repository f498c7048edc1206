"""Configuration, read once into frozen values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ringback.broker.records import SigningKeys
from ringback.wire.guard import Network, Policy

Role = Literal["full", "publish", "read"]
KEY_BYTES = 32
"""Length of a key that payloads are encrypted with."""
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Tenant:
    """One account: its tokens, and the signing keys it starts with.

    Attributes:
        name: goes into records; never shown to other tenants.
        token: full access.
        keys: signing keys until they are rotated.
        read_only_token: may call GETs only.
        publish_only_token: may publish and start runs, and nothing else.
        fixed_keys: rotation is refused (the public development accounts, whose keys clients know by heart).
    """

    name: str
    token: str
    keys: SigningKeys
    read_only_token: str | None = None
    fixed_keys: bool = False
    publish_only_token: str | None = None

    def tokens(self) -> dict[str, Role]:
        """Return its tokens, and what each may do."""
        given: dict[Role, str | None] = {
            "full": self.token,
            "publish": self.publish_only_token,
            "read": self.read_only_token,
        }
        return {token: role for role, token in given.items() if token}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message, one request and one account may ask for; defaults of the reference, section 9.

    Attributes:
        body_bytes: largest message body.
        batch_bytes: largest body of a batch call.
        delay_ms: longest delay.
        timeout_ms: longest, and default, time for one attempt.
        retries: most retries a message may ask for.
        default_retries: retries where none are asked for.
        response_bytes: how much of a response body is read, and kept of one that is no success.
        answer_bytes: how much of a 2xx answer's body the history keeps; 0 keeps neither its body nor its headers.
        log_retention_ms, dlq_retention_ms: how long history and dead letters are kept.
        grace_ms: how long an ended message can still be read.
        dedup_window_ms: how long a deduplication id is taken.
        queue_parallelism: most parallelism of a queue.
        group_endpoints: most endpoints of a URL group.
        lazy_bytes: size of a run's list from which on the endpoint fetches it, where it can.
        messages_per_day: most messages and runs an account may begin between midnight and midnight UTC, None for no limit.
        requests_per_second: most management calls of an account in a second, None for no limit.
        queues, schedules, groups: most objects of an account, None for no limit.
    """

    body_bytes: int = 10 * 1024 * 1024
    batch_bytes: int = 100 * 1024 * 1024
    delay_ms: int = 365 * DAY
    timeout_ms: int = 15 * MINUTE
    retries: int = 100
    default_retries: int = 3
    response_bytes: int = 1024 * 1024
    answer_bytes: int = 1024
    log_retention_ms: int = 7 * DAY
    dlq_retention_ms: int = 7 * DAY
    grace_ms: int = MINUTE
    dedup_window_ms: int = 10 * MINUTE
    queue_parallelism: int = 100
    group_endpoints: int = 1000
    lazy_bytes: int = 3 * 1024 * 1024
    messages_per_day: int | None = None
    requests_per_second: int | None = None
    queues: int | None = None
    schedules: int | None = None
    groups: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the broker is told at start.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        database: the SQLite file, or the `postgresql://` address of a database that several brokers share.
        tenants: the accounts.
        destinations: which addresses may be called.
        trusted_proxies: networks whose `X-Forwarded-For` is believed.
        llm_url: OpenAI-compatible address that the destination `api/llm` stands for; none without it.
        email_url: address that the destination `api/email` stands for; none without it.
        in_flight: most attempts in flight at once.
        in_flight_per_host: most of them to one host.
        in_flight_bytes: how many bytes their bodies may have together; one may go beyond.
        console: whether the web console is served beside the API, where its libraries are installed.
        node_timeout_ms: after how long others take over from a broker that is not heard of.
        encryption_keys: master keys that payloads are sealed with, the newest first; none leaves them readable.
        log_level, log_format: `debug` to `error`, and `text` or `json`.
        names: further names, in lower case, that a broker with public tokens may be called by.
    """

    host: str
    port: int
    database: Path | str
    tenants: tuple[Tenant, ...]
    limits: Limits = field(default_factory=Limits)
    destinations: Policy = field(default_factory=Policy)
    trusted_proxies: tuple[Network, ...] = ()
    llm_url: str = ""
    email_url: str = ""
    in_flight: int = 1000
    in_flight_per_host: int = 256
    in_flight_bytes: int = 256 * 1024 * 1024
    node_timeout_ms: int = 15_000
    console: bool = True
    encryption_keys: tuple[bytes, ...] = field(default=(), repr=False)
    log_level: str = "info"
    log_format: str = "text"
    names: frozenset[str] = frozenset()

    @property
    def tokens_are_public(self) -> bool:
        """Whether anybody may know a token: the accounts for development."""
        return any(tenant.fixed_keys for tenant in self.tenants)


DEVELOPMENT_TENANTS = tuple(
    Tenant(name, token, SigningKeys(name, current, following), fixed_keys=True)
    for name, token, current, following in (
        (
            "defaultUser",
            "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
            "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
            "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
        ),
        (
            "testUser1",
            "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
            "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM",
            "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua",
        ),
        (
            "testUser2",
            "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
            "sig_6jWGaWRxHsw4vMSPJprXadyvrybF",
            "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx",
        ),
        (
            "testUser3",
            "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
            "sig_5T8FcSsynBjn9mMLBsXhpacRovJf",
            "sig_7GFR4YaDshFcqsxWRZpRB161jguD",
        ),
    )
)
"""The public development accounts of the reference, 1.6: constants that clients know, not secrets."""
