"""Every setting of `ringback serve`: its name, how it is read, what it is otherwise, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringback.broker.settings import Limits
from ringback.cli.setting_texts import (
    address,
    database,
    encryption_keys,
    milliseconds,
    names,
    networks,
    one_of,
    optional_secret,
    optional_whole,
    port,
    positive,
    secret,
    whole,
    yes_or_no,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: environment variable; the TOML key is the same in lower case without `RINGBACK_`.
        read: makes its value from text.
        default: its value when it is not set; None where it must be.
        about: what it does.
    """

    name: str
    read: Callable[[str], Any]
    default: Any
    about: str

    @property
    def key(self) -> str:
        """Its key in the TOML file."""
        return self.name.removeprefix("RINGBACK_").lower()


_LIMITS = Limits()
SETTINGS = (
    Setting("RINGBACK_HOST", str, "127.0.0.1", "Address to listen on."),
    Setting("RINGBACK_PORT", port, 8080, "Port to listen on; 0 takes a free one."),
    Setting(
        "RINGBACK_DATABASE",
        database,
        Path("ringback.db"),
        "The SQLite file that holds everything, or the `postgresql://` address of a database that several brokers share.",
    ),
    Setting(
        "QSTASH_TOKEN",
        secret,
        None,
        "The token clients send; `ringback secrets` makes all three.",
    ),
    Setting("QSTASH_CURRENT_SIGNING_KEY", secret, None, "The key deliveries are signed with, until it is rotated."),
    Setting("QSTASH_NEXT_SIGNING_KEY", secret, None, "The key that takes its place on rotation, another one."),
    Setting("RINGBACK_READ_ONLY_TOKEN", optional_secret, "", "A further token that may only read."),
    Setting(
        "RINGBACK_PUBLISH_ONLY_TOKEN",
        optional_secret,
        "",
        "A further token that may only publish messages and start runs.",
    ),
    Setting("RINGBACK_ALLOW_PRIVATE", yes_or_no, False, "Whether loopback and private addresses may be destinations."),
    Setting("RINGBACK_ALLOWED_HOSTS", names, (), "Host names that may resolve to any address, separated by commas."),
    Setting("RINGBACK_ALLOWED_NETWORKS", networks, (), "Private networks that may be called, separated by commas."),
    Setting("RINGBACK_DENIED_NETWORKS", networks, (), "Networks that are never called, whatever else is allowed."),
    Setting("RINGBACK_LLM_URL", address, "", "OpenAI-compatible address that the destination api/llm stands for."),
    Setting("RINGBACK_EMAIL_URL", address, "", "Address that the destination api/email stands for."),
    Setting("RINGBACK_IN_FLIGHT", positive, 1000, "Most attempts in flight at once."),
    Setting("RINGBACK_IN_FLIGHT_PER_HOST", positive, 256, "Most of them to one host."),
    Setting(
        "RINGBACK_IN_FLIGHT_BYTES",
        positive,
        256 * 1024 * 1024,
        "How many bytes their bodies may have together, before the next one waits; in memory they take about twice that.",
    ),
    Setting(
        "RINGBACK_NODE_TIMEOUT",
        milliseconds,
        15_000,
        "With PostgreSQL: after how long the others take over from a broker that is not heard of.",
    ),
    Setting("RINGBACK_MAX_BODY", positive, _LIMITS.body_bytes, "Largest message body in bytes."),
    Setting("RINGBACK_MAX_BATCH", positive, _LIMITS.batch_bytes, "Largest body of a batch call in bytes."),
    Setting("RINGBACK_MAX_DELAY", milliseconds, _LIMITS.delay_ms, "Longest delay."),
    Setting("RINGBACK_MAX_TIMEOUT", milliseconds, _LIMITS.timeout_ms, "Longest, and default, time for one attempt."),
    Setting("RINGBACK_MAX_RETRIES", whole, _LIMITS.retries, "Most retries a message may ask for."),
    Setting("RINGBACK_DEFAULT_RETRIES", whole, _LIMITS.default_retries, "Retries where none are asked for."),
    Setting("RINGBACK_MAX_RESPONSE", whole, _LIMITS.response_bytes, "Most bytes of a response body that are kept."),
    Setting(
        "RINGBACK_KEEP_ANSWERS",
        whole,
        _LIMITS.answer_bytes,
        "Most bytes of a 2xx answer's body that the history keeps; 0 keeps neither its body nor its headers.",
    ),
    Setting("RINGBACK_LOG_RETENTION", milliseconds, _LIMITS.log_retention_ms, "How long history is kept."),
    Setting("RINGBACK_DLQ_RETENTION", milliseconds, _LIMITS.dlq_retention_ms, "How long dead letters are kept."),
    Setting("RINGBACK_MAX_QUEUE_PARALLELISM", positive, _LIMITS.queue_parallelism, "Most parallelism of a queue."),
    Setting("RINGBACK_MAX_QUEUES", optional_whole, _LIMITS.queues, "Most queues; empty for no limit."),
    Setting("RINGBACK_MAX_SCHEDULES", optional_whole, _LIMITS.schedules, "Most schedules; empty for no limit."),
    Setting("RINGBACK_MAX_TOPICS", optional_whole, _LIMITS.groups, "Most URL groups; empty for no limit."),
    Setting(
        "RINGBACK_MESSAGES_PER_DAY",
        optional_whole,
        _LIMITS.messages_per_day,
        "Most messages and starts of runs a day, until midnight UTC; steps of runs, callbacks and ticks of schedules are not "
        "counted. Empty for no limit.",
    ),
    Setting(
        "RINGBACK_REQUESTS_PER_SECOND",
        optional_whole,
        _LIMITS.requests_per_second,
        "Most management calls in a second; empty for no limit.",
    ),
    Setting(
        "RINGBACK_CONSOLE",
        yes_or_no,
        True,
        "Whether the web console is served at /console, where `ringback[console]` is installed.",
    ),
    Setting("RINGBACK_TRUSTED_PROXIES", networks, (), "Networks of proxies whose X-Forwarded-For is believed."),
    Setting("RINGBACK_MAX_ENDPOINTS", positive, _LIMITS.group_endpoints, "Most endpoints of a URL group."),
    Setting(
        "RINGBACK_ENCRYPTION_KEYS",
        encryption_keys,
        (),
        "Keys that payloads are encrypted with at rest, the newest first, separated by commas.",
    ),
    Setting(
        "RINGBACK_LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "What is logged; a line a decision."
    ),
    Setting("RINGBACK_LOG_FORMAT", one_of("text", "json"), "text", "Lines for people, or a JSON object a line."),
)
"""Every setting, in the order of the reference page."""
