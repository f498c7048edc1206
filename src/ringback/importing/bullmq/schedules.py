"""From a BullMQ schedule to a cron schedule of the broker, or why it has to stay. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from ringback.errors import Refused
from ringback.importing.bullmq.jobs import Job
from ringback.importing.bullmq.plans import Stay, body_of, context, digest
from ringback.importing.bullmq.repeats import Repeat
from ringback.importing.bullmq.tries import tries
from ringback.importing.bullmq.wishes import Wishes
from ringback.wire import cron

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule goes over.

    Attributes:
        id: its id at the broker.
        cron: expression, with its time zone.
        item: destination, headers and body of its messages.
        notes: what could not be carried.
    """

    id: str
    cron: str
    item: dict[str, Any]
    notes: tuple[str, ...] = ()


def plan_schedule(repeat: Repeat, wishes: Wishes, now: int) -> Timetable | Stay:
    """Return what becomes of a schedule."""
    reason = _limits(repeat, now)
    if reason is None and repeat.data is None:
        reason = "its data is known by its next run only, and none waits"
    if reason is not None:
        return Stay(reason)
    try:
        expression, notes = _expression(repeat, wishes.time_zone)
        cron.parse(expression)
    except ValueError as error:
        return Stay(str(error))
    except Refused as error:
        return Stay(f"its pattern {repeat.pattern!r} is not one of five plain fields: {error.text.partition(': ')[2]}")
    opts = repeat.opts or {}
    job = Job(f"repeat:{repeat.key}", "wait", repeat.name, str(now), data=repeat.data or "", opts=opts)
    left = tries(opts, job.attempts, 0, wishes.most_retries)
    schedule_id = _id(wishes.queue, repeat.key)
    headers = {"Content-Type": "application/json", **left.headers, **context(job, wishes), **wishes.headers}
    headers |= {"Upstash-Cron": expression, "Upstash-Schedule-Id": schedule_id}
    if wishes.into:
        headers["Upstash-Queue-Name"] = wishes.into
    try:
        body = body_of(job, wishes)
        body.encode()
    except ValueError:
        return Stay("its data is not JSON in UTF-8")
    item = {"destination": wishes.url(repeat.name), "headers": headers, "body": body}
    return Timetable(schedule_id, expression, item, (*notes, *left.notes))


def _limits(repeat: Repeat, now: int) -> str | None:
    """Say why a schedule that ends, or has not begun, cannot be a cron schedule: that would run for ever, from now."""
    if repeat.ends_at is not None:
        return "it has ended" if repeat.ends_at <= now else "it has an end date, which a cron schedule has not"
    if repeat.limit is not None:
        return f"it may run {repeat.limit} times only, which a cron schedule cannot count"
    if repeat.starts_at is not None and repeat.starts_at > now:
        return "it begins later, which a cron schedule cannot"
    return None


def _expression(repeat: Repeat, default_zone: str) -> tuple[str, list[str]]:
    if repeat.every is not None:
        return _of_interval(repeat.every, repeat.offset)
    fields = (repeat.pattern or "").split()
    if len(fields) == 6:
        if not re.fullmatch(r"\d{1,2}", fields[0]):
            raise ValueError(f"its pattern {repeat.pattern!r} runs more than once a minute")
        seconds, fields = int(fields[0]), fields[1:]
    else:
        seconds = 0
    notes = [f"it runs at second 0 instead of {seconds}"] if seconds else []
    if not repeat.tz and default_zone != "UTC":
        notes.append(f"it names no time zone; {default_zone} is taken")
    elif not repeat.tz:
        notes.append("it names no time zone; UTC is taken")
    zone = repeat.tz or default_zone
    return " ".join([*([] if zone == "UTC" else [f"CRON_TZ={zone}"]), *fields]), notes


def _of_interval(every: int, offset: int) -> tuple[str, list[str]]:
    """Return the cron expression of an interval: BullMQ's grid begins at the epoch, so does cron's in UTC."""
    offset %= every
    notes = ["it runs at the full minute, up to 59 s earlier"] if offset % MINUTE else []
    minute, hour = offset // MINUTE % 60, offset // HOUR
    if every % MINUTE == 0 and every < HOUR and HOUR % every == 0:
        step = every // MINUTE
        if step == 1:
            return "* * * * *", notes
        first = offset // MINUTE
        return f"{f'*/{step}' if not first else f'{first}-59/{step}'} * * * *", notes
    if every % HOUR == 0 and DAY % every == 0:
        step = every // HOUR
        if step == 1:
            return f"{minute} * * * *", notes
        if step == 24:
            return f"{minute} {hour} * * *", notes
        return f"{minute} {f'*/{step}' if not hour else f'{hour}-23/{step}'} * * *", notes
    raise ValueError(f"its interval of {every / 1000:g} s fits into no hour or day, as cron needs it")


def _id(queue: str, key: str) -> str:
    """Return the schedule's id at the broker: readable, and the same whenever it is asked for."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{queue}-{key}")[:80].strip("-")
    return f"{readable}-{digest(queue, key)[:8]}"
