"""The steps a workflow can ask for, as values: what each is called, and how its result is read from the journal."""

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar

import httpx

from ringback.client.durations import Duration
from ringback.client.messages import ThirdParty
from ringback.client.options import FlowControl, RunOptions
from ringback.wire.steps import Step, StepType, load
from ringback.workflow.delivery import grouped_headers
from ringback.workflow.errors import StepFailed
from ringback.workflow.replay import Wish
from ringback.workflow.values import decode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step's function is run.

    Args:
        retries: at most so many further tries of this step; the run's own number of retries remains the upper bound.
        retry_delay: wait before the next try.
        timeout: longest time the function may take. A blocking function cannot be stopped: the try counts as failed,
            but its thread runs on.
        result: type of the result, where the function's annotation does not tell it.
        raises: errors that end the step for good: they are recorded, and awaiting the step raises `StepFailed`.
    """

    retries: int | None = None
    retry_delay: Duration | None = None
    timeout: Duration | None = None
    result: Any = None
    raises: tuple[type[Exception], ...] = ()


NO_OPTIONS = StepOptions()


class CallOptions(TypedDict, total=False):
    """How the broker makes a call.

    Keys:
        retries: further tries when the answer is not 2xx (0 unless given); the last answer counts, whatever its status.
        retry_delay: wait before a retry: a duration, or an expression in milliseconds, such as "1000 * (1 + retried)".
        timeout: how long one try may take.
        flow_control: limits for this and other calls under the same key.
    """

    retries: int
    retry_delay: Duration
    timeout: Duration
    flow_control: FlowControl


@dataclass(frozen=True, slots=True)
class Response:
    """Answer to a third-party call.

    Attributes:
        status: HTTP status; other than 2xx is an answer too, and is not raised.
        body: parsed JSON if it is JSON, otherwise text.
        headers: case-insensitive.
        content: the body's bytes as they came, for images and the like.
    """

    status: int
    body: Any
    headers: httpx.Headers
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """What waiting for an event brought: its data, or `timed_out`."""

    data: Any = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Notified:
    """What a notification did: `waiters` lists the runs it woke, `data` is what they were told."""

    event_id: str
    waiters: list[dict[str, Any]]
    data: Any = None


@dataclass(frozen=True, slots=True)
class Invoked(Generic[T]):
    """How an invoked workflow ended; `body` is its result when it neither failed nor was canceled."""

    body: T | None
    failed: bool = False
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address for a third party; a request to it is kept until the run waits for it."""

    url: str
    event_id: str


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request that came in at a webhook's address."""

    method: str
    url: str
    headers: httpx.Headers
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """What waiting for a webhook brought: the request, or `timed_out`."""

    request: WebhookRequest | None = None
    timed_out: bool = False


@dataclass(slots=True, kw_only=True)
class Asked(Generic[T]):
    """A step the code asks for; what it needs beyond that stands in the subclasses.

    Attributes:
        name: as given by the user.
        type: kind of step on the wire.
        read: makes the value the code gets from the finished step.
    """

    name: str
    type: StepType
    read: Callable[[Step], T]
    is_marker: bool = False

    def wish(self) -> Wish:
        """Return what replay has to know of it."""
        return Wish(self.name, self.type, self.is_marker)

    def more(self) -> dict[str, Any]:
        """Return the fields that only this kind of step has on the wire."""
        return {}


@dataclass(slots=True, kw_only=True)
class Run(Asked[T]):
    """A function to be run by this process; `function` returns the fields of its result on the wire, such as `out`."""

    function: Callable[[], Awaitable[dict[str, Any]]]
    options: StepOptions = NO_OPTIONS


@dataclass(slots=True, kw_only=True)
class Sleep(Asked[None]):
    """A pause, for some time (such as "10s") or until an instant (seconds since the epoch)."""

    delay: str | None = None
    not_before: int | None = None

    def more(self) -> dict[str, Any]:
        """Return how long or until when."""
        return {"sleepFor": self.delay} if self.not_before is None else {"sleepUntil": self.not_before}


@dataclass(slots=True, kw_only=True)
class ThirdPartyCall(Asked[T]):
    """An HTTP request the broker makes, so that no function waits for its answer."""

    request: ThirdParty


@dataclass(slots=True, kw_only=True)
class Wait(Asked[T]):
    """Wait for an event or a webhook."""

    event_id: str
    timeout: str

    def more(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {"waitEventId": self.event_id, "timeout": self.timeout}


@dataclass(slots=True, kw_only=True)
class Cancel(Asked[None]):
    """End the run as canceled; takes no place in the journal."""


@dataclass(slots=True, kw_only=True)
class Invoke(Asked[T]):
    """Start another workflow and wait for its end."""

    workflow: Any
    body: str | None
    run_id: str
    options: RunOptions


def read_json(annotation: object, step: Step) -> Any:
    """Read a result that is JSON of the annotated type."""
    raised = step.more.get("ringbackRaised")
    if isinstance(raised, dict):
        raise StepFailed(step.name, str(raised.get("error", "")), str(raised.get("message", "")))
    if step.out is None:
        return None
    return decode(step.out, annotation, f"the recorded result of step {step.name!r}")


def read_nothing(step: Step) -> None:
    """Read a step without a result."""


def lenient(text: str) -> Any:
    """Return text as JSON if it is JSON, otherwise as it is."""
    try:
        return load(text)
    except ValueError:
        return text


def read_response(step: Step) -> Response:
    """Read the result of a third-party call: its body holds one character per byte (protocol workflow 2.5)."""
    out = load(step.out or "{}")
    headers = grouped_headers(out.get("header") or {})
    body, content = out.get("body") or "", b""
    if isinstance(body, str):
        with suppress(UnicodeError):  # already decoded by another SDK, or binary: then one character per byte
            content = body.encode("latin-1")
            body = content.decode()
        body = lenient(body)
    return Response(int(out.get("status", 0)), body, headers, content)


def read_event(step: Step) -> Event:
    """Read what was sent with an event."""
    if step.more.get("waitTimeout"):
        return Event(timed_out=True)
    text = b64decode(step.out or "").decode(errors="replace")
    return Event(lenient(text) if text else None)


def read_notified(step: Step) -> Notified:
    """Read what a notification did."""
    out = load(step.out or "{}")
    data = out.get("eventData")
    return Notified(
        out.get("eventId", ""), out.get("notifyResponse") or [], lenient(data) if isinstance(data, str) else data
    )


def read_invoked(annotation: object, step: Step) -> Invoked[Any]:
    """Read the end of an invoked workflow whose result has the annotated type."""
    out = load(step.out or "{}")
    failed, canceled = bool(out.get("isFailed")), bool(out.get("isCanceled"))
    body = out.get("body")
    if isinstance(body, str) and not failed and not canceled:
        body = decode(body, annotation, f"the result of {step.name!r}") if body else None
    return Invoked(body, failed, canceled)


def read_webhook(step: Step) -> Webhook:
    """Read a webhook's address."""
    out = load(step.out or "{}")
    return Webhook(out["webhookUrl"], out["eventId"])


def read_webhook_call(step: Step) -> WebhookCall:
    """Read the request that came in at a webhook."""
    if step.more.get("waitTimeout") or not step.out:
        return WebhookCall(timed_out=True)
    came = json.loads(b64decode(step.out))
    headers = grouped_headers(came.get("header") or {})
    url = f"{came.get('proto', 'https')}://{came.get('host', '')}{came.get('url', '')}"
    return WebhookCall(WebhookRequest(came.get("method", "POST"), url, headers, b64decode(came.get("body") or "")))
