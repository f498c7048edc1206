"""Schedules (protocol 2.8)."""

from ringback.broker.api import shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import checked_destination, checked_name
from ringback.broker.ids import message_id
from ringback.broker.operations import schedules
from ringback.broker.operations.keys import random_word
from ringback.broker.operations.publish import BEGINS
from ringback.broker.operations.why_schedules import misses_group
from ringback.broker.records import Schedule
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_quotas
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire import cron
from ringback.wire.http import Response
from ringback.wire.options import Options


def create(call: Call) -> Answer:
    """Make a schedule, or replace the one with its id."""
    return make(call, *call.asked())


def make(call: Call, target: str, options: Options) -> Answer:
    """Create or replace a schedule with the options of a publish."""
    if call.role == "publish":
        raise Refused(403, "this token may only publish messages and start runs, not make schedules")
    if not options.cron:
        raise Refused(400, "missing header Upstash-Cron: expected a cron expression")
    if options.not_before is not None:
        raise Refused(400, "invalid header Upstash-Not-Before: a schedule takes Upstash-Delay only")
    cron.parse(options.cron)
    destination = checked_destination(call, target)
    if destination.is_group and set(destination.text) & set(":/"):  # no group can ever be called so
        raise Refused(400, f"invalid destination {destination.text!r}: {BEGINS}")
    queue = checked_name("header Upstash-Queue-Name", options.queue_name) if options.queue_name else None
    check_quotas(options, call.request.body, call.settings.limits, call.desk.clock())
    given = checked_name("header Upstash-Schedule-Id", options.schedule_id) if options.schedule_id else None
    schedule_id = given or f"scd_{random_word(24)}"

    def job(tx: Transaction, moment: Moment) -> Response:
        schedule = Schedule(
            call.tenant.name,
            schedule_id,
            options.cron or "",
            destination.text,
            destination.is_group,
            options,
            call.request.body,
            call.request.peer,
            moment.now,
            queue,
        )
        schedules.put_schedule(tx, schedule, call.settings.limits, moment)
        return json_response(200, {"scheduleId": schedule_id})

    return call.desk.write(job)


def list_all(call: Call) -> Answer:
    """List the schedules, as a bare array."""

    def job(tx: Transaction) -> Response:
        found = schedules.list_schedules(tx, call.tenant.name)
        return json_response(200, [_shape(tx, one, call) for one in found])

    return call.desk.read(job)


def get(call: Call) -> Answer:
    """Show a schedule."""

    def job(tx: Transaction) -> Response:
        schedule = schedules.known(tx, call.tenant.name, call.names["schedule"])
        return json_response(200, _shape(tx, schedule, call))

    return call.desk.read(job)


def delete(call: Call) -> Answer:
    """Delete a schedule; also when there is none."""

    def job(tx: Transaction, _: Moment) -> Response:
        schedules.delete_schedule(tx, call.tenant.name, call.names["schedule"])
        return json_response(200, {})

    return call.desk.write(job)


def run(call: Call) -> Answer:
    """Let a schedule tick now, beside the ticks it has; ours, not the reference's."""

    def job(tx: Transaction, moment: Moment) -> Response:
        made = schedules.run_now(tx, call.tenant.name, call.names["schedule"], call.settings.limits, moment)
        return json_response(200, {"messageIds": [message_id(seq) for seq in made]})

    return call.desk.write_anyhow(job)


def pause(call: Call) -> Answer:
    """Let a schedule make nothing more."""
    return _set_paused(call, paused=True)


def resume(call: Call) -> Answer:
    """Let a schedule go on; what it missed is not made up for."""
    return _set_paused(call, paused=False)


def _set_paused(call: Call, *, paused: bool) -> Answer:
    def job(tx: Transaction, moment: Moment) -> Response:
        schedules.set_paused(tx, call.tenant.name, call.names["schedule"], moment, paused=paused)
        return json_response(200, {})

    return call.desk.write(job)


def _shape(tx: Transaction, schedule: Schedule, call: Call) -> shapes.Shape:
    shape = shapes.schedule(schedule, call.settings.limits.default_retries)
    if schedule.last_at is not None:
        shape["lastScheduleStates"] = {message_id(seq): state for seq, state in schedules.states(tx, schedule).items()}
    if misses_group(tx, schedule):  # told before the first tick, which may be months away
        shape["error"] = f"topic {schedule.destination} not found"
    return shape
