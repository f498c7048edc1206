"""The three generations of repeatable jobs, read into one shape."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ringback.importing.bullmq.jobs import Job, read_object, whole

_OLDEST = re.compile(r"(?P<name>.*):(?P<id>[^:]*):(?P<end>\d*):(?P<tz>[^:]*):(?P<rule>[^:]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A schedule as BullMQ keeps it.

    Attributes:
        key: its member of the set `repeat`.
        score: when its next run is due, in milliseconds since the epoch, as text.
        name: name of the jobs it makes.
        pattern: cron expression of five or six fields, or None.
        every: interval in milliseconds, or None.
        offset: of the interval's grid, in milliseconds.
        tz: time zone of the pattern, "" for that of the process that ran it.
        ends_at, starts_at: in milliseconds since the epoch, None for no such limit.
        limit: how often it may run in all, None for ever.
        ran: how often it has run.
        data, opts: of its jobs; `data` is None where neither a template nor a next run is there to tell.
        pending: id of its next run, if that waits for its time.
        pending_at: when that is due.
    """

    key: str
    score: str
    name: str
    pattern: str | None = None
    every: int | None = None
    offset: int = 0
    tz: str = ""
    ends_at: int | None = None
    starts_at: int | None = None
    limit: int | None = None
    ran: int = 0
    data: str | None = None
    opts: Mapping[str, Any] | None = None
    pending: str | None = None
    pending_at: int | None = None


def read_repeat(key: str, score: str, stored: Mapping[str, str], pending: Job | None) -> Repeat | None:
    """Return a schedule; None where the member makes no sense.

    Args:
        key: the member of `repeat`.
        score: its score.
        stored: its hash, empty for the oldest generation (up to 5.9), which says all in the member's text.
        pending: its next run, where one waits.
    """
    repeat = _of_hash(key, score, stored) if stored else _of_member(key, score)
    if repeat is None or pending is None:
        return repeat
    asked = (pending.opts or {}).get("repeat")
    asked = asked if isinstance(asked, Mapping) else {}
    return replace(
        repeat,
        name=repeat.name or pending.name,
        data=pending.data if repeat.data is None else repeat.data,
        opts=pending.opts if repeat.opts is None else repeat.opts,
        limit=repeat.limit or whole(asked.get("limit")) or None,
        ran=repeat.ran or max(0, whole(asked.get("count")) - 1),
        starts_at=repeat.starts_at or _instant(asked.get("startDate")),
        ends_at=repeat.ends_at or _instant(asked.get("endDate")),
        offset=repeat.offset or whole(asked.get("offset")),
        pending=pending.id,
        pending_at=pending.due_at,
    )


def _of_hash(key: str, score: str, stored: Mapping[str, str]) -> Repeat:
    return Repeat(
        key=key,
        score=score,
        name=stored.get("name", ""),
        pattern=stored.get("pattern") or stored.get("cron") or None,
        every=whole(stored.get("every")) or None,
        offset=whole(stored.get("offset")),
        tz=stored.get("tz", ""),
        ends_at=_instant(stored.get("endDate")),
        starts_at=_instant(stored.get("startDate")),
        limit=whole(stored.get("limit")) or None,
        ran=max(0, whole(stored.get("ic")) - 1),
        data=stored.get("data"),
        opts=read_object(stored["opts"]) if "opts" in stored else None,
    )


def _of_member(key: str, score: str) -> Repeat | None:
    """Read `name:id:endDate:tz:pattern-or-interval`; a name may have colons, the rest has none."""
    found = _OLDEST.fullmatch(key)
    if found is None:
        return None
    rule = found["rule"]
    return Repeat(
        key=key,
        score=score,
        name=found["name"],
        pattern=None if rule.isdigit() else rule,
        every=int(rule) if rule.isdigit() else None,
        tz=found["tz"],
        ends_at=_instant(found["end"]),
    )


def _instant(value: object) -> int | None:
    """Dates are written as milliseconds; options keep them as they were given, so ISO text is left to the score."""
    return whole(value) or None
