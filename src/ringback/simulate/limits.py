"""What each platform allows: this file is the one table of limits, with the source and the date of every value."""

from dataclasses import dataclass
from typing import Any

MIB = 1024 * 1024
CHOSEN = "chosen here: the platform publishes no number"


@dataclass(frozen=True, slots=True)
class Value:
    """One platform's value, where it is from, and the month in which that page was read or dated."""

    value: Any
    source: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        name: field of `Platform`; with dashes, the option of the command.
        about: what it is, with its unit.
        values: by platform.
    """

    name: str
    about: str
    values: dict[str, Value]

    @property
    def option(self) -> str:
        """The option that overrides it."""
        return "--" + self.name.replace("_", "-")


_VERCEL = "vercel.com/docs/functions/limitations"
_VERCEL_ERRORS = "vercel.com/docs/errors"
_LAMBDA = "docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
_LAMBDA_URLS = "docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"
_RUN = "cloud.google.com/run/quotas"
_RUN_TIMEOUT = "cloud.google.com/run/docs/configuring/request-timeout"
_RUN_CONTRACT = "cloud.google.com/run/docs/container-contract"
_RUN_SCALING = "cloud.google.com/run/docs/about-instance-autoscaling"


def _of(vercel: Value, lambda_: Value, cloudrun: Value) -> dict[str, Value]:
    return {"vercel": vercel, "lambda": lambda_, "cloudrun": cloudrun}


def _all(value: Any, source: str = CHOSEN) -> dict[str, Value]:
    return _of(*[Value(value, source)] * 3)


LIMITS = (
    Limit(
        "duration_s",
        "longest time for one request, in seconds",
        _of(Value(300, _VERCEL, "2025-12"), Value(900, _LAMBDA, "2026-10"), Value(300, _RUN_TIMEOUT, "2026-10")),
    ),
    Limit(
        "timeout_status",
        "status for the caller of a request over it",
        _of(
            Value(504, f"{_VERCEL_ERRORS}/function_invocation_timeout", "2026-06"),
            Value(502, "believed: the page on function URLs names no status for a timeout"),
            Value(504, _RUN_TIMEOUT, "2026-10"),
        ),
    ),
    Limit(
        "kills",
        "whether the instance ends with such a request; otherwise it works on, unheard",
        _of(
            Value(True, "vercel.com/docs/functions/configuring-functions/duration", "2025-12"),
            Value(True, "docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html", "2026-10"),
            Value(False, _RUN_TIMEOUT, "2026-10"),
        ),
    ),
    Limit(
        "request_bytes",
        "largest request body; a larger one is answered 413",
        _of(
            Value(4_500_000, f"{_VERCEL_ERRORS}/function_payload_too_large", "2025-06"),
            Value(6 * MIB, _LAMBDA, "2026-10"),
            Value(32 * MIB, f"{_RUN}, for HTTP/1", "2026-10"),
        ),
    ),
    Limit(
        "response_bytes",
        "largest response body that is not streamed",
        _of(
            Value(4_500_000, f"{_VERCEL_ERRORS}/function_response_payload_too_large", "2025-06"),
            Value(6 * MIB, _LAMBDA, "2026-10"),
            Value(32 * MIB, f"{_RUN}, for HTTP/1", "2026-10"),
        ),
    ),
    Limit(
        "response_status",
        "status for the caller of a larger one",
        _of(
            Value(500, f"{_VERCEL_ERRORS}/function_response_payload_too_large", "2025-06"),
            Value(502, _LAMBDA_URLS, "2026-10"),
            Value(500, "cloud.google.com/run/docs/troubleshooting", "2026-10"),
        ),
    ),
    Limit(
        "streams",
        "whether a response without Content-Length goes out as it comes; otherwise it is gathered first",
        _of(
            Value(True, "vercel.com/docs/functions/streaming-functions", "2025-12"),
            Value(False, f"{_LAMBDA_URLS}, invoke mode BUFFERED", "2026-10"),
            Value(True, _RUN, "2026-10"),
        ),
    ),
    Limit(
        "concurrency",
        "requests that one instance takes at once",
        _of(
            Value(10, CHOSEN),
            Value(1, "docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html", "2026-10"),
            Value(80, "cloud.google.com/run/docs/about-concurrency", "2026-10"),
        ),
    ),
    Limit(
        "instances", "most instances at once; beyond them a request is answered 429", _all(10, "chosen for one machine")
    ),
    Limit(
        "queue_s",
        "seconds that a request may wait for an instance before that 429",
        _of(Value(0, CHOSEN), Value(0, _LAMBDA_URLS, "2026-10"), Value(10, _RUN_SCALING, "2026-10")),
    ),
    Limit(
        "idle_s",
        "seconds without a request after which an instance ends",
        _of(Value(300, CHOSEN), Value(300, CHOSEN), Value(900, _RUN_SCALING, "2026-10")),
    ),
    Limit(
        "start_s",
        "seconds that a cold start may take",
        _of(Value(60, CHOSEN), Value(60, CHOSEN), Value(240, _RUN_CONTRACT, "2026-10")),
    ),
    Limit(
        "memory_mb",
        "memory of an instance with its child processes, in MiB",
        _of(
            Value(2048, _VERCEL, "2025-12"),
            Value(512, "chosen here: the platform's own default of 128 is too little for most web frameworks"),
            Value(512, "cloud.google.com/run/docs/configuring/services/memory-limits", "2026-10"),
        ),
    ),
    Limit(
        "memory_status",
        "status for the caller whose request took too much of it",
        _of(
            Value(500, f"{_VERCEL_ERRORS}/function_invocation_failed", "2026-06"),
            Value(502, _LAMBDA_URLS, "2026-10"),
            Value(503, "cloud.google.com/run/docs/troubleshooting", "2026-10"),
        ),
    ),
    Limit(
        "open_files",
        "most open file descriptors of an instance; 0 for no limit",
        _of(Value(1024, _VERCEL, "2025-12"), Value(1024, _LAMBDA, "2026-10"), Value(0, _RUN, "2026-10")),
    ),
    Limit(
        "read_only",
        "whether only the temporary folder can be written",
        _of(
            Value(True, "vercel.com/docs/functions/runtimes", "2025-12"),
            Value(True, "docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html", "2026-10"),
            Value(False, f"{_RUN_CONTRACT}: files are kept in memory", "2026-10"),
        ),
    ),
)
"""Every limit, in the order of the reference page and of the command's options."""
