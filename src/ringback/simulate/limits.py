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
_LAMBDA = "docs.aws.amazon.com/lambda/latest/dg"
_RUN = "cloud.google.com/run"
_RUN_TIMEOUT = f"{_RUN}/docs/configuring/request-timeout"


def _believed(value: Any, page: str) -> Value:
    """A value of general knowledge; the page that should say so was not at hand."""
    return Value(value, f"believed; look at {page}")


def _of(vercel: Value, lambda_: Value, cloudrun: Value) -> dict[str, Value]:
    return {"vercel": vercel, "lambda": lambda_, "cloudrun": cloudrun}


LIMITS = (
    Limit(
        "duration_s",
        "longest time for one request, in seconds",
        _of(
            Value(300, _VERCEL, "2025-12"),
            Value(900, f"{_LAMBDA}/gettingstarted-limits.html", "2026-11"),
            Value(300, _RUN_TIMEOUT, "2026-11"),
        ),
    ),
    Limit(
        "timeout_status",
        "status for the caller of a request over it",
        _of(
            _believed(504, f"{_VERCEL_ERRORS}/function_invocation_timeout"),
            _believed(502, f"{_LAMBDA}/urls-invocation.html"),
            Value(504, _RUN_TIMEOUT, "2026-11"),
        ),
    ),
    Limit(
        "kills",
        "whether the instance ends with such a request; otherwise it works on, unheard",
        _of(
            Value(True, "vercel.com/docs/functions/configuring-functions/duration", "2025-12"),
            _believed(True, f"{_LAMBDA}/configuration-timeout.html"),
            Value(False, _RUN_TIMEOUT, "2026-11"),
        ),
    ),
    Limit(
        "request_bytes",
        "largest request body; a larger one is answered 413",
        _of(
            Value(4_500_000, f"{_VERCEL_ERRORS}/function_payload_too_large", "2026-02"),
            Value(
                6 * MIB,
                "docs.aws.amazon.com/solutions/latest/dynamic-image-transformation-for-amazon-cloudfront",
                "2026-11",
            ),
            _believed(32 * MIB, f"{_RUN}/quotas"),
        ),
    ),
    Limit(
        "response_bytes",
        "largest response body that is not streamed",
        _of(
            Value(4_500_000, f"{_VERCEL_ERRORS}/function_response_payload_too_large", "2026-02"),
            Value(
                6 * MIB,
                "docs.aws.amazon.com/solutions/latest/dynamic-image-transformation-for-amazon-cloudfront",
                "2026-11",
            ),
            Value(32 * MIB, f"{_RUN}/quotas, quoted in simonw/datasette#749", "2020-05"),
        ),
    ),
    Limit(
        "response_status",
        "status for the caller of a larger one",
        _of(
            Value(500, f"{_VERCEL_ERRORS}/function_response_payload_too_large", "2026-02"),
            _believed(502, f"{_LAMBDA}/urls-invocation.html"),
            Value(500, "seen in simonw/datasette#749", "2020-05"),
        ),
    ),
    Limit(
        "streams",
        "whether a response without Content-Length goes out as it comes; otherwise it is gathered first",
        _of(
            Value(True, "vercel.com/kb/guide/how-to-bypass-vercel-body-size-limit-serverless-functions", "2025-11"),
            Value(False, "docs.aws.amazon.com/lambda/latest/api/API_FunctionUrlConfig.html, BUFFERED", "2026-11"),
            _believed(True, f"{_RUN}/quotas"),
        ),
    ),
    Limit(
        "concurrency",
        "requests that one instance takes at once",
        _of(
            Value(10, CHOSEN),
            _believed(1, f"{_LAMBDA}/lambda-concurrency.html"),
            _believed(80, f"{_RUN}/docs/about-concurrency"),
        ),
    ),
    Limit(
        "instances",
        "most instances at once; beyond them a request is answered 429",
        _of(*[Value(10, "chosen here for one machine; the platforms allow more")] * 3),
    ),
    Limit(
        "queue_s",
        "seconds that a request may wait for an instance before that 429",
        _of(Value(0, CHOSEN), Value(0, CHOSEN), _believed(10, f"{_RUN}/docs/about-instance-autoscaling")),
    ),
    Limit(
        "idle_s",
        "seconds without a request after which an instance ends",
        _of(Value(300, CHOSEN), Value(300, CHOSEN), _believed(900, f"{_RUN}/docs/about-instance-autoscaling")),
    ),
    Limit(
        "start_s",
        "seconds that a cold start may take",
        _of(Value(60, CHOSEN), Value(60, CHOSEN), _believed(240, f"{_RUN}/docs/container-contract")),
    ),
    Limit(
        "memory_mb",
        "memory of an instance with its child processes, in MiB",
        _of(
            Value(2048, _VERCEL, "2025-12"),
            Value(512, "chosen here: the platform's own default of 128 is too little for most web frameworks"),
            _believed(512, f"{_RUN}/docs/configuring/services/memory-limits"),
        ),
    ),
    Limit(
        "memory_status",
        "status for the caller whose request took too much of it, or crashed the instance",
        _of(
            _believed(500, f"{_VERCEL_ERRORS}/function_invocation_failed"),
            _believed(502, f"{_LAMBDA}/urls-invocation.html"),
            _believed(503, f"{_RUN}/docs/troubleshooting"),
        ),
    ),
    Limit(
        "open_files",
        "most open file descriptors of an instance; 0 for no limit",
        _of(
            Value(1024, _VERCEL, "2025-12"),
            _believed(1024, f"{_LAMBDA}/gettingstarted-limits.html"),
            Value(0, CHOSEN),
        ),
    ),
    Limit(
        "read_only",
        "whether only the temporary folder can be written",
        _of(
            _believed(True, "vercel.com/docs/functions/runtimes"),
            _believed(True, f"{_LAMBDA}/lambda-runtime-environment.html"),
            _believed(False, f"{_RUN}/docs/container-contract (files are kept in memory)"),
        ),
    ),
)
"""Every limit, in the order of the reference page and of the command's options."""
