"""Why a message or a run is not further than it is: a pure reading of records, in words for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from ringback.broker.ids import instant_of
from ringback.broker.records import Delivery, Entry, Event, Lane, Message, Progress, Run, Waiter
from ringback.broker.rules.holding import Holding
from ringback.broker.rules.lanes import free
from ringback.broker.rules.runs import read_step
from ringback.clock import Instant

CauseKind = Literal[
    "ended", "delayed", "asleep", "retrying", "paused", "in line", "starting", "no room", "in flight", "event", "child",
    "nothing left", "tick", "no message",
]  # fmt: skip

_BY_DESIGN = frozenset({"ended", "delayed", "asleep", "event", "child"})

_NOTHING = Holding()
_NAMES = {"call_result": "the delivery of a call's answer", "failure": "the call of the failure function"}


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is waited for.

    Attributes:
        kind: which.
        text: in words.
        since: from when on.
        until: when it ends by itself at the latest, None where nobody knows.
        remedy: what a person can do, "" where nothing need be done.
    """

    kind: CauseKind
    text: str
    since: Instant
    until: Instant | None = None
    remedy: str = ""

    def is_stalled(self, now: Instant, longest: int) -> bool:
        """Tell whether it has lasted for `longest` milliseconds although nobody has asked for that."""
        return self.kind not in _BY_DESIGN and now - self.since >= longest


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, with what is around it.

    Attributes:
        failure: the last failed attempt, None where none failed.
        begun_at: when the attempt in flight began, as far as it was recorded.
        lane: what it is in line for.
        ahead: how many stand before it there.
        holder: what the message that blocks its queue waits for.
        progress: what a long step last said.
        entry: for a message of a run, what it delivers.
    """

    message: Message
    delivery: Delivery
    failure: Event | None = None
    begun_at: Instant | None = None
    lane: Lane | None = None
    ahead: int = 0
    holder: str = ""
    progress: Progress | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class RunStanding:
    """Where a run stands, with what is around it.

    Attributes:
        messages: those that have not ended.
        waiters: steps that wait for events.
        children: runs that steps wait for.
        moved_at: when something last happened.
    """

    run: Run
    messages: Sequence[Standing] = ()
    waiters: Sequence[Waiter] = ()
    children: Sequence[Run] = field(default_factory=tuple)
    moved_at: Instant = 0


def why_message(one: Standing, now: Instant, holding: Holding = _NOTHING) -> Cause:
    """Return what a message waits for.

    Args:
        one: where it stands.
        now: the time.
        holding: what this node has in flight, by which it may hold others back.
    """
    message, delivery = one.message, one.delivery
    if one.lane is not None:
        return _in_line(one, one.lane, now, holding)
    if delivery.lease is not None:
        return _unsent(one, holding) or _in_flight(one, now)
    at = delivery.wake_at if delivery.wake_at is not None else delivery.due_at
    if at <= now and holding.shortage():
        return _no_room(one, at, holding)
    if delivery.retried:
        failed = f"{_what(one)} failed {_times(delivery.retried)}, last with {_failure(one.failure)}"
        left = message.retries - delivery.retried + 1
        text = f"{failed}; next attempt at {moment(at)}, {left} left"
        return Cause("retrying", text, message.not_before, at, f"look at {message.url}, or its logs")
    if at <= now:
        return Cause("starting", f"{_what(one)} is due and about to start", at, None, "nothing, unless it lasts")
    name = _asleep(one.entry)
    if name is not None:
        return Cause("asleep", f"step {name!r} sleeps until {moment(at)}", message.created_at, at)
    return Cause("delayed", f"{_what(one)} was asked for not before {moment(at)}", message.created_at, at)


def why_run(standing: RunStanding, now: Instant, holding: Holding = _NOTHING) -> list[Cause]:
    """Return what a run waits for: one cause for each of its open ends, and never none."""
    run = standing.run
    if run.state != "RUN_STARTED":
        ended = run.ended_at or run.created_at
        return [Cause("ended", f"it has ended as {run.state} at {moment(ended)}", ended)]
    causes = [why_message(one, now, holding) for one in standing.messages]
    causes += [_waits(waiter) for waiter in standing.waiters]
    causes += [
        Cause("child", f"it waits for the run {child.run_id} of {child.url} to end", child.created_at)
        for child in standing.children
    ]
    if causes:
        return causes
    return [
        Cause(
            "nothing left",
            f"the endpoint accepted the last delivery at {moment(standing.moved_at)}, and neither a step nor an end has "
            "followed: its answer did not come from a workflow SDK that reached this broker",
            standing.moved_at,
            None,
            f"check QSTASH_URL and QSTASH_TOKEN of {run.url}, then cancel the run and trigger it anew",
        )
    ]


def moment(at: Instant) -> str:
    """Return an instant for a person, in UTC to the second."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _in_line(one: Standing, lane: Lane, now: Instant, holding: Holding) -> Cause:
    what = f"queue {lane.name!r}" if lane.kind == "queue" else f"flow-control key {lane.name!r}"
    before = f"behind {one.ahead} others" if one.ahead else f"as the first of {lane.waiting}"
    since = one.delivery.due_at
    if lane.deleting:
        text = f"{what} is being deleted; {_what(one)} waits until what it had is gone, or is canceled with it"
        return Cause("in line", text, since, None)
    if lane.paused:
        command = "queues resume" if lane.kind == "queue" else "flow resume"
        text = f"{what} is paused; {_what(one)} is in its line {before}"
        return Cause("paused", text, since, None, f"ringback {command} {lane.name}")
    if one.ahead < free(lane, now) and holding.shortage():
        return _no_room(one, since, holding)
    limit = f"{lane.active} of {lane.parallelism} at work" if lane.parallelism is not None else "limited by its rate"
    if lane.parallelism is None and lane.rate is not None:
        limit = f"{lane.rate_count} of {lane.rate} in {lane.period} s have started"
    held = f"; {one.holder}" if one.holder else ""
    return Cause("in line", f"{_what(one)} is in line for {what} {before} ({limit}){held}", since, lane.wake_at)


def _no_room(one: Standing, since: Instant, holding: Holding) -> Cause:
    """What is due and may start waits for others to end."""
    text = f"{_what(one)} is due, and {holding.shortage()}"
    return Cause("no room", text, since, None, "look for endpoints that take long, or raise the setting")


def _unsent(one: Standing, holding: Holding) -> Cause | None:
    """What is leased to this node may wait there for its host, or for any other attempt to end."""
    seq, since = one.delivery.seq, one.delivery.due_at
    if seq in holding.beyond and holding.shortage():
        return _no_room(one, since, holding)
    if seq not in holding.behind_hosts:
        return None
    host = urlsplit(one.message.url).netloc
    text = (
        f"{_what(one)} is due, and this broker has {holding.per_host:,} attempts to {host} in flight, as many as "
        "RINGBACK_IN_FLIGHT_PER_HOST allows"
    )
    return Cause("no room", text, since, None, f"{host} takes long: look at its logs, or raise the setting")


def _in_flight(one: Standing, now: Instant) -> Cause:
    since = one.begun_at or one.delivery.due_at
    alive = one.progress.at if one.progress is not None else since
    until = max(since, alive) + one.message.timeout_ms
    said = f", last heard of {_seconds(now - alive)} ago: {one.progress.text}" if one.progress is not None else ""
    again = f", attempt {one.delivery.retried + 1}" if one.delivery.retried else ""
    text = f"{_what(one)} is in flight for {_seconds(now - since)}{again}{said}; it is given up at {moment(until)}"
    return Cause("in flight", text, since, until, f"{one.message.url} has not answered yet: look at its logs")


def _waits(waiter: Waiter) -> Cause:
    step = read_step(waiter.step)
    name = f"step {step.name!r}" if step is not None and step.name else "it"
    text = f"{name} waits for event {waiter.event_id!r} until {moment(waiter.wake_at)}"
    return Cause("event", text, instant_of(waiter.seq), waiter.wake_at)


def _what(one: Standing) -> str:
    if one.message.kind == "call":
        return f"the call to {one.message.url}"
    if one.message.kind != "step" or one.entry is None:
        return _NAMES.get(one.message.kind, "the message")
    if one.entry.identity == "init":
        return "the first delivery"
    step = read_step(one.entry.body) if one.entry.body else None
    name = f"step {step.name!r}" if step is not None and step.name else "a step"
    return f"the delivery {'of' if one.entry.identity.startswith('p') else 'after'} {name}"


def _asleep(entry: Entry | None) -> str | None:
    step = read_step(entry.body) if entry is not None and entry.body else None
    return step.name if step is not None and step.type in ("SleepFor", "SleepUntil") else None


def _failure(failure: Event | None) -> str:
    if failure is None:
        return "an unknown error"
    if failure.status:
        return f"status {failure.status}"
    return failure.error or "no answer"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _seconds(milliseconds: int) -> str:
    return f"{max(0, milliseconds) // 1000} s"
