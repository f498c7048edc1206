"""What a schedule waits for, and why its ticks make no message: a pure reading of records, in words for a person."""

from ringback.broker.records import Schedule
from ringback.broker.rules.why import Cause, moment


def why_schedule(schedule: Schedule, *, misses_group: bool) -> list[Cause]:
    """Return what is wrong with a schedule, and when it ticks next; never nothing.

    Args:
        schedule: which.
        misses_group: whether its destination is a URL group that does not exist.
    """
    since = schedule.last_at or schedule.created_at
    causes = _wrong(schedule, since, misses_group=misses_group)
    if schedule.paused:
        text = f"the schedule {schedule.id} is paused, and does not tick"
        causes.append(Cause("paused", text, since, None, f"ringback schedules resume {schedule.id}"))
    elif schedule.wake_at is not None:
        text = f"the schedule {schedule.id} ticks next at {moment(schedule.wake_at)}"
        causes.append(Cause("tick", text, since, schedule.wake_at))
    return causes


def makes_nothing(schedule: Schedule, *, misses_group: bool) -> list[Cause]:
    """Return why the ticks of a schedule make no message; nothing where they do, or where it is paused."""
    since = schedule.last_at or schedule.created_at
    return [] if schedule.paused else _wrong(schedule, since, misses_group=misses_group)


def _wrong(schedule: Schedule, since: int, *, misses_group: bool) -> list[Cause]:
    if misses_group:
        name = schedule.destination
        text = f"there is no URL group {name!r}: the ticks of the schedule {schedule.id} make no message"
        remedy = f"ringback groups add {name} URL, or ringback schedules delete {schedule.id}"
        return [Cause("no message", text, since, None, remedy)]
    if schedule.error is not None:
        text = f"the last tick of the schedule {schedule.id}, at {moment(since)}, made no message: {schedule.error}"
        return [Cause("no message", text, since, None, f"once it is put right, ringback schedules run {schedule.id}")]
    return []
