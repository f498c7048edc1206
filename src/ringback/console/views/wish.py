"""What the request builder is asked for: a form that is read, and the call to the broker that it stands for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["publish", "enqueue", "schedule", "trigger"]
KINDS: dict[str, str] = {
    "publish": "Publish a message",
    "enqueue": "Enqueue it",
    "schedule": "Publish on a schedule",
    "trigger": "Start a workflow run",
}
METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a request.

    Attributes:
        name: field of the form.
        title, hint: how it is told.
        header: how it goes over the wire.
        python, script: its name in the official clients; "" where the client of that kind has none.
        kinds: where it may be given.
        number: whether clients take it as a number.
    """

    name: str
    title: str
    hint: str
    header: str
    python: str
    script: str
    kinds: Sequence[str] = ("publish", "enqueue", "schedule", "trigger")
    number: bool = False


_MESSAGES = ("publish", "enqueue", "schedule")
_ONCE = ("publish", "enqueue")
OPTIONS = (
    Option("delay", "Delay", "10s, 2m, 3d", "Upstash-Delay", "delay", "delay", ("publish", "schedule", "trigger")),
    Option("retries", "Retries", "3 unless given", "Upstash-Retries", "retries", "retries", number=True),
    Option(
        "retry_delay", "Wait before a retry", "1000 * (1 + retried)", "Upstash-Retry-Delay", "retry_delay", "retryDelay"
    ),
    Option("timeout", "Time-out of an attempt", "30s", "Upstash-Timeout", "timeout", "timeout", _MESSAGES),
    Option("callback", "Callback URL", "gets each answer", "Upstash-Callback", "callback", "callback", _MESSAGES),
    Option(
        "failure_callback",
        "Failure callback URL",
        "gets the last one",
        "Upstash-Failure-Callback",
        "failure_callback",
        "failureCallback",
        _MESSAGES,
    ),
    Option("label", "Label", "to find it by", "Upstash-Label", "label", "label"),
    Option(
        "deduplication_id",
        "Deduplication id",
        "once in ten minutes",
        "Upstash-Deduplication-Id",
        "deduplication_id",
        "deduplicationId",
        _ONCE,
    ),
    Option(
        "flow_key",
        "Flow-control key",
        "limits share it",
        "Upstash-Flow-Control-Key",
        "",
        "",
        ("publish", "schedule", "trigger"),
    ),
    Option("parallelism", "At once", "under this key", "", "", "", ("publish", "schedule", "trigger"), number=True),
    Option("rate", "Starts per period", "under this key", "", "", "", ("publish", "schedule", "trigger"), number=True),
    Option("period", "Period", "1s unless given", "", "", "", ("publish", "schedule", "trigger")),
    Option(
        "schedule_id",
        "Schedule id",
        "replaces the one it names",
        "Upstash-Schedule-Id",
        "schedule_id",
        "scheduleId",
        ("schedule",),
    ),
)
BY_NAME = {one.name: one for one in OPTIONS}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent.

    Attributes:
        kind: which call.
        destination: a URL, or the name of a URL group.
        method: what the destination is called with.
        headers: what the destination gets.
        options: by the names of `OPTIONS`, those that fit the kind.
    """

    kind: Kind
    destination: str
    method: str = "POST"
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""
    cron: str = ""

    @property
    def is_url(self) -> bool:
        """Whether the destination is a URL and no URL group."""
        return self.destination.lower().startswith(("http://", "https://"))


def read_wish(given: Mapping[str, Sequence[str]]) -> Wish:
    """Return what a form asks for.

    Raises:
        ValueError: a field is not what it should be; the text names it.
    """

    def one(name: str) -> str:
        return given.get(name, ("",))[0].strip()

    kind = one("kind") or "publish"
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}")
    method = one("method") or "POST"
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}")
    options = {name: one(name) for name in BY_NAME if one(name) and kind in BY_NAME[name].kinds}
    for name, value in options.items():
        if BY_NAME[name].number and not (value.isascii() and value.isdigit()):
            raise ValueError(f"{BY_NAME[name].title}: expected a whole number, found {value[:40]!r}")
        if any(character in value for character in "\r\n"):
            raise ValueError(f"{BY_NAME[name].title}: expected one line")
    return Wish(
        kind,  # type: ignore[arg-type]
        one("destination"),
        method,
        given.get("body", ("",))[0].replace("\r\n", "\n"),
        one("content_type") or "application/json",
        _headers(given.get("headers", ("",))[0]),
        options,
        one("queue"),
        one("cron"),
    )


_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*)")


def _headers(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        if line.strip():
            match = _HEADER.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"Headers: expected lines such as X-Tenant: shop-7, found {line[:60]!r}")
            found[match[1]] = match[2]
    return found


def missing(wish: Wish) -> str | None:
    """Return what still has to be filled in, None if the wish is whole."""
    if not wish.destination:
        return "Name a destination."
    if wish.kind == "trigger" and not wish.is_url:
        return "A workflow is served at a URL: begin it with http:// or https://."
    if wish.kind == "enqueue" and not wish.queue:
        return "Name a queue."
    if wish.kind == "schedule" and not wish.cron:
        return "Give a cron expression."
    if set(wish.options) & {"parallelism", "rate", "period"} and "flow_key" not in wish.options:
        return "Limits need a flow-control key."
    if "flow_key" in wish.options and not set(wish.options) & {"parallelism", "rate"}:
        return "A flow-control key needs a limit: at once, or starts per period."
    return None


def wire_headers(wish: Wish) -> dict[str, str]:
    """Return the headers of the call."""
    found = {"Content-Type": wish.content_type} if wish.body else {}
    if wish.method != "POST" and wish.kind != "trigger":
        found["Upstash-Method"] = wish.method
    if wish.kind == "schedule":
        found["Upstash-Cron"] = wish.cron
    found |= {BY_NAME[name].header: value for name, value in wish.options.items() if BY_NAME[name].header}
    limits = [f"{name}={wish.options[name]}" for name in ("parallelism", "rate", "period") if name in wish.options]
    if limits:
        found["Upstash-Flow-Control-Value"] = ", ".join(limits)
    return found | {f"Upstash-Forward-{name}": value for name, value in wish.headers.items()}


def path(wish: Wish) -> str:
    """Return the path of the call."""
    first = {"publish": "publish", "enqueue": f"enqueue/{wish.queue}", "schedule": "schedules", "trigger": "trigger"}
    return f"/v2/{first[wish.kind]}/{wish.destination}"
