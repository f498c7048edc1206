"""One job as BullMQ keeps it in Redis, read the same way for versions 1 to 6."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Place = Literal["wait", "paused", "prioritized", "delayed", "active", "failed", "keep-last"]
State = Literal["waiting", "prioritised", "delayed", "retrying", "stalled", "failed", "keep-last", "schedule"]

STATES: tuple[State, ...] = (
    "waiting", "prioritised", "delayed", "retrying", "stalled", "failed", "keep-last", "schedule",
)  # fmt: skip

FIELDS = (
    "name", "opts", "timestamp", "priority", "atm", "ats", "attemptsMade", "parentKey", "rjk", "deid", "processedOn",
    "failedReason", "stacktrace",
)  # fmt: skip
"""The fields of a job's hash that a plan needs, its data apart."""

_MARKER = re.compile(r"0:\d+")


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and where it stands.

    Attributes:
        id: BullMQ's job id.
        place: the list or set that holds it.
        name, data: what to do, and with what; `data` is JSON text.
        timestamp: when it was added, in milliseconds since the epoch, as text.
        score: its score where the place is a sorted set.
        opts: its options; None where they cannot be read.
        made: attempts that have ended.
        priority: 0 for none; otherwise lower goes first.
        family: why it belongs to a flow, "" where it does not.
        repeat_key: the schedule that made it.
        deduplication: the deduplication id that it holds.
        processed_on: when its last attempt began, as text.
        reason, stack: of its last failure.
    """

    id: str
    place: Place
    name: str
    timestamp: str
    data: str = ""
    score: str = ""
    opts: Mapping[str, Any] | None = None
    made: int = 0
    priority: int = 0
    family: str = ""
    repeat_key: str | None = None
    deduplication: str | None = None
    processed_on: str = ""
    reason: str = ""
    stack: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """What a person calls the state it is in."""
        match self.place:
            case "wait" | "paused":
                return "prioritised" if self.priority else "waiting"
            case "prioritized":
                return "prioritised"
            case "delayed":
                return "retrying" if self.made else "delayed"
            case "active":
                return "stalled"
            case _:
                return self.place

    @property
    def due_at(self) -> int | None:
        """When a delayed job is due, in milliseconds since the epoch (its score holds 12 bits of tie-break below)."""
        return int(float(self.score)) // 4096 if self.place == "delayed" and self.score else None

    @property
    def attempts(self) -> int:
        """How often it may be tried in all; BullMQ writes 0 where nothing was said, and means 1."""
        return max(1, whole((self.opts or {}).get("attempts")))


def read_job(
    job_id: str, place: Place, stored: Mapping[str, str], *, score: str = "", relatives: int = 0
) -> Job | None:
    """Return the job of a hash; None where there is no job: a marker of older versions, or an id left behind.

    Args:
        job_id: its id.
        place: where the id was found.
        stored: the fields of its hash; those that are missing may be missing.
        score: its score there.
        relatives: how many keys with results of children it has.
    """
    if "timestamp" not in stored:
        return None
    opts = read_object(stored.get("opts", "{}"))
    family = ""
    if stored.get("parentKey") or (opts or {}).get("parent"):
        family = f"it is a child of the flow {stored.get('parentKey') or 'of its parent'}"
    elif relatives:
        family = "it is the parent of a flow, and its children's results are in Redis"
    return Job(
        id=job_id,
        place=place,
        name=stored.get("name", ""),
        timestamp=stored["timestamp"],
        data=stored.get("data", ""),
        score=score,
        opts=opts,
        made=_made(stored, place),
        priority=whole(stored.get("priority")),
        family=family,
        repeat_key=stored.get("rjk") or text_or_none((opts or {}).get("repeatJobKey")),
        deduplication=stored.get("deid") or _deduplication(opts or {}),
        processed_on=stored.get("processedOn", ""),
        reason=stored.get("failedReason", ""),
        stack=_stack(stored.get("stacktrace", "")),
    )


def is_marker(job_id: str) -> bool:
    """Return whether an entry of a list is one of the markers that versions before 5 kept there (`0:0`, `0:<ms>`)."""
    return bool(_MARKER.fullmatch(job_id))


def read_object(text: str) -> dict[str, Any] | None:
    """Return the object that JSON text holds, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def whole(value: object) -> int:
    """Return a number of a hash or of JSON as a whole one, 0 where there is none."""
    try:
        return int(float(value))  # type: ignore[arg-type] # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return 0


def text_or_none(value: object) -> str | None:
    """Return a value that is a text and not empty."""
    return value if isinstance(value, str) and value else None


def _made(stored: Mapping[str, str], place: Place) -> int:
    """Until version 4 `attemptsMade` counts attempts that began; from 5 on `atm` counts those that ended."""
    if "atm" in stored or "ats" in stored:
        return whole(stored.get("atm"))
    made = whole(stored.get("attemptsMade"))
    return max(0, made - 1) if place == "active" else made


def _deduplication(opts: Mapping[str, Any]) -> str | None:
    for name in ("de", "deduplication", "debounce"):
        asked = opts.get(name)
        if isinstance(asked, Mapping):
            return text_or_none(asked.get("id"))
    return None


def _stack(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text)
    except ValueError:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else ()
