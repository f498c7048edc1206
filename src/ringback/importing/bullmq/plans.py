"""What becomes of one job: a publish, a dead letter, a place in a paused queue, or it stays and why. Pure."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

from ringback.importing.bullmq.jobs import Job
from ringback.importing.bullmq.tries import tries
from ringback.importing.bullmq.wishes import Fate, Wishes

Action = Literal["publish", "letter", "park"]
_STACK_LINES = 10


@dataclass(frozen=True, slots=True)
class Move:
    """A job goes over.

    Attributes:
        action: how.
        item: one item of a batch call; for a letter with the answer that it failed with.
        notes: what could not be carried.
    """

    action: Action
    item: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """A job stays in BullMQ, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The circumstances of a plan.

    Attributes:
        now: milliseconds since the epoch.
        staying: keys of schedules that stay in BullMQ; their next runs stay with them.
    """

    now: int
    staying: frozenset[str] = frozenset()


def plan(job: Job, wishes: Wishes, standing: Standing) -> Move | Stay:
    """Return what becomes of a job."""
    if job.opts is None:
        return Stay("its options are not JSON")
    if job.family:
        return Stay(f"{job.family}; a flow can only be finished where all of it is")
    ticks = job.place in ("wait", "paused", "delayed", "prioritized")
    if ticks and job.repeat_key in standing.staying:
        return Stay("it is the next run of a schedule that stays")
    fate: Fate | None = {"failed": wishes.failed, "stalled": wishes.stalled}.get(job.state)
    if fate == "leave":
        return Stay(f"{job.state} jobs are to be left")
    action: Action = "publish" if fate is None or fate == "again" else fate
    return _move(job, wishes, standing, action)


def name_of(token: str, field: str) -> str:
    """Return the deduplication id and label of one job in one import."""
    return f"import-{digest(token, field)[:32]}"


def digest(*texts: str) -> str:
    """Return a hash of texts that may hold anything."""
    return sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def named(item: dict[str, Any], name: str, family: str) -> dict[str, Any]:
    """Return an item with its deduplication id, and the labels it can be found by."""
    labels = ",".join(filter(None, (name, family, item["headers"].get("Upstash-Label"))))
    return item | {"headers": item["headers"] | {"Upstash-Deduplication-Id": name, "Upstash-Label": labels}}


def _move(job: Job, wishes: Wishes, standing: Standing, action: Action) -> Move | Stay:
    made = 0 if job.place == "failed" else job.made
    left = tries(job.opts or {}, job.attempts, made, wishes.most_retries)
    headers = {"Content-Type": "application/json", **left.headers, **context(job, wishes), **wishes.headers}
    due_at = job.due_at
    if due_at is not None and due_at > standing.now:
        headers["Upstash-Not-Before"] = str(-(-due_at // 1000))
    try:
        body = body_of(job, wishes)
        body.encode()
    except (ValueError, UnicodeEncodeError):
        return Stay("its data is not JSON in UTF-8")
    item: dict[str, Any] = {"destination": wishes.url(job.name), "headers": headers, "body": body}
    queue = wishes.parked if action == "park" else wishes.into
    if queue:
        item["queue"] = queue
    if action == "letter":
        item |= {"responseStatus": 0, "responseBody": _story(job), "retried": max(0, job.made - 1)}
    return Move(action, item, (*left.notes, *_not_carried(job)))


def context(job: Job, wishes: Wishes) -> dict[str, str]:
    """Return headers that tell the endpoint which BullMQ job a delivery was."""
    told = {
        "Queue": wishes.queue,
        "Job-Id": job.id,
        "Job-Name": job.name,
        "Timestamp": job.timestamp,
        "Attempts-Made": str(job.made),
    }
    return {f"Upstash-Forward-Bullmq-{name}": quote(value, safe=" -._~:/@+,") for name, value in told.items()}


def body_of(job: Job, wishes: Wishes) -> str:
    """Return what is sent: the data as it was written, or the envelope.

    Raises:
        ValueError: an envelope is wanted and the data is not JSON.
    """
    if not wishes.envelope:
        return job.data
    envelope = {
        "id": job.id,
        "name": job.name,
        "data": json.loads(job.data or "null"),
        "opts": job.opts,
        "timestamp": int(job.timestamp),
        "attemptsMade": job.made,
    }
    return json.dumps(envelope, ensure_ascii=False)


def _story(job: Job) -> str:
    """Return what a person needs to know of a failure."""
    if job.state == "stalled":
        first = "its worker vanished in the middle of it: it may have run"
    else:
        first = job.reason or "failed without a reason"
    lines = [first, f"BullMQ job {job.id} ({job.name}), {job.made} of {job.attempts} attempts made"]
    if job.stack:
        lines += job.stack[-1].splitlines()[:_STACK_LINES]
    return "\n".join(lines)


def _not_carried(job: Job) -> list[str]:
    if job.deduplication:
        return ["its deduplication id is not carried: later duplicates have to come with Upstash-Deduplication-Id"]
    return []
