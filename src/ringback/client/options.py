"""What one may ask for with a trigger, a call or an invocation, and the headers that say so (protocol workflow 1.3)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringback.client.durations import Duration, Moment, delay_expression, unix_seconds, wire_duration

Headers = dict[str, str]

Many = str | Sequence[str]
"""One text, or several."""

_KEY = re.compile(r"[A-Za-z0-9\-_.]+")
_DEFAULT_RETRIES = 3


@dataclass(frozen=True, slots=True)
class FlowControl:
    """Limits shared by everything that is published under the same key.

    Args:
        key: letters, digits, `-`, `_` and `.`.
        parallelism: most deliveries in flight at once.
        rate: most deliveries started per period.
        period: length of the period; one second unless given.
    """

    key: str
    parallelism: int | None = None
    rate: int | None = None
    period: Duration | None = None

    def headers(self, prefix: str = "Upstash-") -> Headers:
        """Return the two headers that ask for it.

        Raises:
            ValueError: the key has other characters, or no limit is given.
        """
        check_name(self.key, "the flow-control key")
        limits = [
            f"{name}={value}"
            for name, value in (("parallelism", self.parallelism), ("rate", self.rate))
            if value is not None
        ]
        if not limits:
            raise ValueError("flow control needs a parallelism or a rate")
        if self.period is not None:
            limits.append(f"period={wire_duration(self.period, 'the flow-control period')}")
        return {f"{prefix}Flow-Control-Key": self.key, f"{prefix}Flow-Control-Value": ", ".join(limits)}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the deliveries of a run are made.

    Args:
        retries: further tries of a failed delivery; None for the default of 3.
        retry_delay: wait before a retry: seconds, "10s", a timedelta, or an expression in milliseconds, such as
            "1000 * (1 + retried)".
        flow_control: limits the deliveries are under.
        labels: names to find the run by: one, or several.
        delay: wait before the first delivery.
        not_before: instant of the first delivery; wins over `delay`.
        headers: headers that every delivery of the run carries.
        failure_url: where the failure is reported; None for the workflow's own URL.
        redact: what is not shown of it, such as "body" or "header[Authorization]": one, or several.
    """

    retries: int | None = None
    retry_delay: Duration | None = None
    flow_control: FlowControl | None = None
    labels: Many = ()
    delay: Duration | None = None
    not_before: Moment | None = None
    headers: Mapping[str, str] | None = None
    failure_url: str | None = None
    redact: Many = ()


def retry_headers(options: RunOptions, prefix: str = "Upstash-") -> Headers:
    """Return the headers for retries and flow control; `prefix` makes them those of a callback.

    Raises:
        ValueError: a number is negative or a name has other characters.
    """
    headers: Headers = {}
    if options.retries is not None:
        if options.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {options.retries}")
        if options.retries != _DEFAULT_RETRIES:
            headers[f"{prefix}Retries"] = str(options.retries)
    if options.retry_delay is not None:
        headers[f"{prefix}Retry-Delay"] = delay_expression(options.retry_delay, "retry_delay")
    if options.flow_control is not None:
        headers |= options.flow_control.headers(prefix)
    return headers


def start_headers(options: RunOptions) -> Headers:
    """Return the headers for everything a run may be started with, but for its failure callback."""
    headers = retry_headers(options)
    headers |= {f"Upstash-Forward-{name}": value for name, value in (options.headers or {}).items()}
    if options.delay is not None:
        headers["Upstash-Delay"] = wire_duration(options.delay, "delay")
    if options.not_before is not None:
        headers["Upstash-Not-Before"] = str(unix_seconds(options.not_before, "not_before"))
    labels = each(options.labels)
    if labels:
        for label in labels:
            check_name(label, "a label")
        joined = ",".join(labels)
        headers |= {"Upstash-Label": joined, "Upstash-Forward-Upstash-Label": joined}
    if options.redact:
        headers["Upstash-Redact-Fields"] = ",".join(each(options.redact))
    return headers


def each(value: Many) -> Sequence[str]:
    """Return the texts; a single one is not taken apart into its letters."""
    return (value,) if isinstance(value, str) else value


def check_name(name: str, what: str) -> None:
    """Let labels and keys pass.

    Raises:
        ValueError: `name` has characters they cannot have.
    """
    if not _KEY.fullmatch(name):
        raise ValueError(f"{what} may hold letters, digits, '-', '_' and '.' only, not {name!r}")
