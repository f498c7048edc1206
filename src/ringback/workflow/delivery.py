"""Reading a request: which kind of delivery it is and what its headers tell of the run (protocol workflow 1.7, 1.9)."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import httpx

from ringback.client.ids import run_id as new_run_id
from ringback.client.messages import PROTOCOL_VERSION
from ringback.wire.http import Headers, Request
from ringback.workflow.errors import WorkflowError

_HIDDEN = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"),
        *("proxy-authorization", "proxy-connection", "transfer-encoding", "upgrade"),
        *("cdn-loop", "cf-connecting-ip", "cf-ew-via", "cf-ray", "render-proxy-ttl"),
        *("ringback-accept-result", "upstash-region"),
    }
)
_HIDDEN_PREFIXES = ("upstash-workflow-", "x-vercel-", "x-forwarded-")


class Kind(StrEnum):
    """What a delivery is for."""

    START = "start"
    """Somebody posts a payload: the run does not exist yet, or the broker does not know yet who serves it."""
    STEP = "step"
    CALLBACK = "callback"
    """A third party has answered a call."""
    FAILURE = "failure"
    """The run has failed."""


@dataclass(slots=True)
class Delivery:
    """One request of the broker, understood.

    Attributes:
        kind: what it is for.
        run_id: the run; a new id for a start that names none.
        awaits_sdk: whether the run exists and waits for this endpoint to show itself (protocol workflow 1.5).
        takes_result: whether the answer to this delivery may carry results.
        lines: all its header lines; `visible_headers` picks those that concern the user.
    """

    kind: Kind
    run_id: str
    message_id: str
    attempt: int
    created_at: int
    labels: tuple[str, ...]
    invoke_count: int
    awaits_sdk: bool
    takes_result: bool
    lines: Headers


def read_delivery(request: Request) -> Delivery:
    """Return what a request is.

    Raises:
        WorkflowError: its headers fit no kind of delivery this SDK knows.
    """
    told = dict(reversed(request.headers))  # of a repeated header the first counts
    version = told.get("upstash-workflow-sdk-version")
    run_id = told.get("upstash-workflow-runid", "")
    message_id = told.get("upstash-message-id", "")
    kind = _kind(told)
    awaits_sdk = kind is Kind.START and "upstash-workflow-unknown-sdk" in told
    if kind is Kind.STEP and version != PROTOCOL_VERSION:
        raise WorkflowError(f"this SDK speaks workflow protocol {PROTOCOL_VERSION}, the broker speaks {version!r}")
    if not run_id and (awaits_sdk or kind is not Kind.START):
        raise WorkflowError("the delivery must name its run in the header Upstash-Workflow-RunId")
    return Delivery(
        kind=kind,
        run_id=run_id if awaits_sdk or kind is not Kind.START else _started_by(message_id),
        message_id=message_id,
        attempt=_number(told, "upstash-retried"),
        created_at=_number(told, "upstash-workflow-createdat"),
        labels=tuple(label for label in told.get("upstash-label", "").split(",") if label),
        invoke_count=_number(told, "upstash-workflow-invoke-count"),
        awaits_sdk=awaits_sdk,
        takes_result=told.get("ringback-accept-result") == "1",
        lines=request.headers,
    )


def visible_headers(lines: Headers) -> httpx.Headers:
    """Return the headers that are the user's own business (protocol workflow 5.5)."""
    return httpx.Headers(
        [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in lines
            if name not in _HIDDEN and not name.startswith(_HIDDEN_PREFIXES)
        ]
    )


def grouped_headers(grouped: Mapping[str, Sequence[str]]) -> httpx.Headers:
    """Return headers that were told as JSON, name to values; a value may hold any characters, such as a step's name."""
    lines = ((name, value) for name, values in grouped.items() for value in values)
    return httpx.Headers([(name.encode(errors="replace"), value.encode(errors="replace")) for name, value in lines])


def forwarded(headers: httpx.Headers) -> dict[str, str]:
    """Return what a start passes on to the later deliveries of its run: nothing of the broker's or of transport."""
    return {
        name: value
        for name, value in headers.items()
        if name not in ("content-type", "user-agent") and not name.startswith(("upstash-", "ringback-"))
    }


def _kind(told: Mapping[str, str]) -> Kind:
    if "upstash-workflow-unknown-sdk" in told:
        return Kind.START
    if "upstash-workflow-failure-callback" in told or told.get("upstash-workflow-is-failure") == "true":
        return Kind.FAILURE
    if "upstash-workflow-callback" in told:
        return Kind.CALLBACK
    return Kind.STEP if "upstash-workflow-sdk-version" in told else Kind.START


def _started_by(message_id: str) -> str:
    """Return the id for a new run: the same one when the broker repeats the message that starts it."""
    if not message_id:
        return new_run_id()
    return new_run_id(urlsafe_b64encode(sha256(message_id.encode()).digest())[:21].decode())


def _number(told: Mapping[str, str], name: str) -> int:
    text = told.get(name) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise WorkflowError(f"the header {name} must be a number, not {text[:40]!r}")
    return int(text)
