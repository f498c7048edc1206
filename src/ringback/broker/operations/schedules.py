"""Schedules: made, paused, and fired when their time has come (protocol 2.8, 4.9)."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.publication import Publication
from ringback.broker.operations.publish import publish
from ringback.broker.records import Delivery, Event, Schedule
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS, Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire import cron

_STATES = {"DELIVERED": "SUCCESS"}


def put_schedule(tx: Transaction, schedule: Schedule, limits: Limits, moment: Moment) -> None:
    """Create a schedule, or replace the one with its id: nothing of the old one is kept.

    Raises:
        Refused: 412 above a quota.
    """
    if (
        limits.schedules is not None
        and tx.get(Schedule, schedule.tenant, schedule.id) is None
        and tx.count(Schedule, Where("tenant", "=", schedule.tenant)) >= limits.schedules
    ):
        raise Refused(412, f"quota maxSchedules exceeded, current limit: {limits.schedules}")
    tx.apply(Changes(put=[replace(schedule, wake_at=cron.parse(schedule.cron).next_at(moment.now))]))


def known(tx: Transaction, tenant: str, schedule_id: str) -> Schedule:
    """Return a schedule.

    Raises:
        Refused: 404 if there is none.
    """
    schedule = tx.get(Schedule, tenant, schedule_id)
    if schedule is None:
        raise Refused(404, f"schedule {schedule_id} not found")
    return schedule


def set_paused(tx: Transaction, tenant: str, schedule_id: str, moment: Moment, *, paused: bool) -> None:
    """Pause or resume; ticks that fall into a pause are not made up for.

    The tick that it has fired for last is not fired again where another node's clock, which was ahead, has told that it is due.
    """
    schedule = known(tx, tenant, schedule_id)
    if schedule.paused == paused:
        return
    fired = schedule.last_at or 0
    after = fired if fired < moment.now + CLOCKS_DIFFER_MS else 0  # else a clock was wrong by far, and is no more
    wake_at = None if paused else cron.parse(schedule.cron).next_at(max(moment.now, after))
    tx.apply(Changes(put=[replace(schedule, paused=paused, wake_at=wake_at)]))


def list_schedules(tx: Transaction, tenant: str) -> list[Schedule]:
    """Return all schedules of a tenant by id."""
    return tx.find(Schedule, Query((Where("tenant", "=", tenant),), order=("id",), limit=100_000))


def delete_schedule(tx: Transaction, tenant: str, schedule_id: str) -> None:
    """Remove a schedule if there is one; messages it has made go on."""
    schedule = tx.get(Schedule, tenant, schedule_id)
    if schedule is not None:
        tx.apply(Changes(drop=[schedule]))


def fire_due(tx: Transaction, most: int, limits: Limits, moment: Moment) -> int:
    """Fire the schedules whose tick is due; of several ticks missed while the broker was down, one is made up for."""
    due = tx.claim(Schedule, Query((Where("wake_at", "<=", moment.now),), order=("wake_at",), limit=most))
    for schedule in due:
        fire(tx, schedule, limits, moment)
    return len(due)


def fire(tx: Transaction, schedule: Schedule, limits: Limits, moment: Moment) -> None:
    """Make the message of one tick; if it cannot be made, the schedule tells why and goes on."""
    error: str | None = None
    made: tuple[int, ...] = ()
    wake_at: Instant | None = None
    try:
        wake_at = cron.parse(schedule.cron).next_at(moment.now)
        made = _messages(tx, schedule, limits, moment)
    except Refused as refused:
        error = refused.text
    ticked = replace(
        schedule,
        wake_at=wake_at,  # none if there is no next tick any more: its time zone is not known to this machine
        last_at=moment.now,
        last_messages=made,
        error=error,
    )
    tx.apply(Changes(put=[ticked]))


def run_now(tx: Transaction, tenant: str, schedule_id: str, limits: Limits, moment: Moment) -> tuple[int, ...]:
    """Make the messages of a tick now, paused or not; the next tick comes when it would have come.

    Raises:
        Refused: 404 if there is no such schedule, or what a publish refuses.
    """
    schedule = known(tx, tenant, schedule_id)
    made = _messages(tx, schedule, limits, moment)
    tx.apply(Changes(put=[replace(schedule, last_at=moment.now, last_messages=made, error=None)]))
    return made


def _messages(tx: Transaction, schedule: Schedule, limits: Limits, moment: Moment) -> tuple[int, ...]:
    publication = Publication(
        schedule.tenant,
        schedule.destination,
        schedule.is_group,
        schedule.options,
        schedule.body,
        schedule.caller_ip,
        schedule.queue,
        schedule.id,
    )
    return tuple(one.seq for one in publish(tx, publication, limits, moment))


def states(tx: Transaction, schedule: Schedule) -> dict[int, str]:
    """Return how the messages of the last tick are doing: IN_PROGRESS, SUCCESS or FAIL."""
    return {seq: _state(tx, seq) for seq in schedule.last_messages}


def _state(tx: Transaction, seq: int) -> str:
    if tx.get(Delivery, seq) is not None:
        return "IN_PROGRESS"
    last = tx.find(Event, Query((Where("message", "=", seq),), order=("pos",), descending=True, limit=1))
    return _STATES.get(last[0].state, "FAIL") if last else "SUCCESS"
