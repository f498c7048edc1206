"""From what the source shows of its objects to calls that make the same at the target, or why they stay. Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ringback.client import management
from ringback.client.calls import Call
from ringback.client.management import Shape

Kind = Literal["URL group", "queue", "flow-control key", "schedule"]

TAKEN_OVER = "import-taken-over"
"""Label of a schedule that ran at the source when it was copied, so that it may run here once the source's is paused."""

_REDACTED = "REDACTED:"


@dataclass(frozen=True, slots=True)
class Piece:
    """One object of the source.

    Attributes:
        kind, name: which.
        calls: make it at the target; said twice they do no harm.
        standing: `new`, `same` or `changed` there.
        stays: why it cannot come over, "" where it can.
        runs: a schedule that is not paused at the source.
    """

    kind: Kind
    name: str
    calls: tuple[Call[Any], ...] = ()
    standing: str = "new"
    stays: str = ""
    runs: bool = False


@dataclass(frozen=True, slots=True)
class Objects:
    """What an account has, as its API shows it."""

    groups: Sequence[Shape]
    queues: Sequence[Shape]
    flows: Sequence[Shape]
    schedules: Sequence[Shape]


def pieces(source: Objects, target: Objects) -> list[Piece]:
    """Return what becomes of each object of the source, in the order in which they are made."""
    return [
        *_each("URL group", "name", source.groups, target.groups, _group),
        *_each("queue", "name", source.queues, target.queues, _queue),
        *_each("flow-control key", "flowControlKey", source.flows, target.flows, _flow),
        *_each("schedule", "scheduleId", source.schedules, target.schedules, _schedule),
    ]


def _each(kind: Kind, key: str, found: Sequence[Shape], there: Sequence[Shape], make: Any) -> list[Piece]:
    known = {str(one[key]): one for one in there}
    made = []
    for shape in found:
        name = str(shape[key])
        if kind == "flow-control key" and not _is_steered(shape):
            continue
        stays = _hidden(shape) if kind == "schedule" else ""
        other = known.get(name)
        standing = "new" if other is None else "same" if _bare(other) == _bare(shape) else "changed"
        runs = kind == "schedule" and not shape.get("isPaused")
        made.append(Piece(kind, name, () if stays else tuple(make(shape, other or {})), standing, stays, runs))
    return made


def _group(shape: Shape, other: Shape) -> list[Call[Any]]:
    endpoints = list(shape.get("endpoints") or [])
    known = {one["url"] for one in endpoints}
    gone = [{"url": str(one["url"])} for one in other.get("endpoints") or [] if one["url"] not in known]
    calls: list[Call[Any]] = []
    if endpoints:
        calls.append(management.add_endpoints(shape["name"], endpoints))
    if gone:
        calls.append(management.remove_endpoints(shape["name"], gone))
    return calls


def _queue(shape: Shape, _: Shape) -> list[Call[Any]]:
    paused = bool(shape.get("paused"))
    return [management.set_queue(shape["name"], parallelism=int(shape.get("parallelism") or 1), paused=paused)]


def _is_steered(shape: Shape) -> bool:
    """Limits that are not pinned come with the messages; the key itself is nothing to bring."""
    return bool(shape.get("isPinnedParallelism") or shape.get("isPinnedRate") or shape.get("isPaused"))


def _flow(shape: Shape, _: Shape) -> list[Call[Any]]:
    key = shape["flowControlKey"]
    calls: list[Call[Any]] = []
    parallelism = int(shape.get("parallelismMax") or 0) if shape.get("isPinnedParallelism") else None
    rate = int(shape.get("rateMax") or 0) if shape.get("isPinnedRate") else None
    if parallelism or rate:
        period = int(shape.get("ratePeriod") or 1) if rate else None
        calls.append(management.pin_flow(key, parallelism=parallelism or None, rate=rate or None, period=period))
    calls.append(management.pause_flow(key) if shape.get("isPaused") else management.resume_flow(key))
    return calls


def _schedule(shape: Shape, other: Shape) -> list[Call[Any]]:
    """Make a schedule that stands still; whether it may run is decided when the source's is paused.

    One that was taken over is left as it is: the source's is paused because of us.
    """
    if shape.get("isPaused") and TAKEN_OVER in (other.get("labels") or []):
        return []
    made = management.set_schedule(shape["destination"], shape["cron"], _body(shape), _headers(shape))
    return [made, management.pause_schedule(shape["scheduleId"])]


def _headers(shape: Shape) -> dict[str, str]:
    labels = [*(shape.get("labels") or []), *([] if shape.get("isPaused") else [TAKEN_OVER])]
    said = {
        "Schedule-Id": shape["scheduleId"],
        "Method": shape.get("method"),
        "Retries": shape.get("retries"),
        "Retry-Delay": shape.get("retryDelayExpression"),
        "Delay": _seconds(shape.get("delay")),
        "Timeout": _seconds(shape.get("timeout")),
        "Queue-Name": shape.get("queueName"),
        "Label": ",".join(labels),
        "Callback": shape.get("callback"),
        "Failure-Callback": shape.get("failureCallback"),
    }
    headers = {f"Upstash-{name}": str(value) for name, value in said.items() if value not in (None, "")}
    headers |= _forwarded("Upstash-Forward-", shape.get("header"))
    headers |= _forwarded("Upstash-Callback-Forward-", shape.get("callbackHeader"))
    headers |= _forwarded("Upstash-Failure-Callback-Forward-", shape.get("failureCallbackHeader"))
    if shape.get("flowControlKey"):
        limits = [f"{name}={shape[name]}" for name in ("parallelism", "rate") if shape.get(name)]
        limits += [f"period={shape['period']}s"] if shape.get("rate") and shape.get("period") else []
        headers |= {
            "Upstash-Flow-Control-Key": shape["flowControlKey"],
            "Upstash-Flow-Control-Value": ", ".join(limits),
        }
    return headers


def _forwarded(prefix: str, headers: Mapping[str, Sequence[str]] | None) -> dict[str, str]:
    """The content type has a header of its own at the source; as a forwarded one it means the same."""
    return {f"{prefix}{name}": values[0] for name, values in (headers or {}).items() if values}


def _seconds(value: object) -> str | None:
    return f"{value}s" if value else None


def _body(shape: Shape) -> bytes:
    if shape.get("bodyBase64"):
        return base64.b64decode(shape["bodyBase64"])
    return str(shape.get("body") or "").encode()


def _hidden(shape: Shape) -> str:
    values = [
        shape.get("body"),
        *(value for name in ("header", "callbackHeader") for value in _values(shape.get(name))),
    ]
    if any(isinstance(value, str) and value.startswith(_REDACTED) for value in values):
        return "the source hides its body or headers (Upstash-Redact-Fields): make it again from your own code"
    return ""


def _values(headers: Mapping[str, Sequence[str]] | None) -> list[str]:
    return [value for values in (headers or {}).values() for value in values]


_FLEETING = frozenset(
    {
        "createdAt", "updatedAt", "lag", "callerIP", "callerIp", "lastScheduleTime", "nextScheduleTime",
        "lastScheduleStates", "error", "isPaused", "label", "labels", "waitListSize", "waitlistSize",
        "parallelismCount", "rateCount", "ratePeriodStart",
    }
)  # fmt: skip


def _bare(shape: Shape) -> str:
    """Return what is compared: an object without what changes by itself."""
    return json.dumps({name: value for name, value in shape.items() if name not in _FLEETING}, sort_keys=True)
