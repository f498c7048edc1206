"""`ringback schedules`: messages made by the clock."""

import click

from ringback.cli.listing import Listing
from ringback.cli.messages import sending
from ringback.cli.output import field, moment
from ringback.cli.remote import Remote, remote
from ringback.client import insight, management
from ringback.client.options import Headers

_COLUMNS = (
    ("SCHEDULE", field("scheduleId")),
    ("CRON", field("cron")),
    ("DESTINATION", field("destination")),
    ("LAST", moment("lastScheduleTime")),
    ("NEXT", moment("nextScheduleTime")),
    ("PAUSED", field("isPaused")),
    ("ERROR", field("error")),
)


@click.group(cls=Listing)
def schedules() -> None:
    """Look at schedules, make and steer them."""


@schedules.command("list")
@remote
def list_schedules(told: Remote) -> None:
    """List the schedules."""
    told.out.records(told.send(management.schedules()), _COLUMNS, none="No schedules.")


@schedules.command("show")
@click.argument("schedule")
@remote
def show(told: Remote, schedule: str) -> None:
    """Show one schedule."""
    told.out.record(told.send(management.schedule(schedule)))


@schedules.command("create")
@click.argument("destination")
@click.argument("cron")
@click.option("--id", "schedule_id", help="Its id; a schedule of that id is replaced.")
@click.option("--queue", help="Publish through this queue.")
@sending
@remote
def create(
    told: Remote, destination: str, cron: str, schedule_id: str | None, queue: str | None, body: bytes, headers: Headers
) -> None:
    """Publish to DESTINATION whenever CRON says, such as "0 4 * * *" or "CRON_TZ=Europe/Berlin 0 4 * * *"."""
    given = {"Upstash-Schedule-Id": schedule_id, "Upstash-Queue-Name": queue}
    told_headers = headers | {name: value for name, value in given.items() if value}
    made = told.send(management.set_schedule(destination, cron, body, told_headers))
    told.out.done(made, scheduleId=made)
    if "://" not in destination and told.send(management.schedule(made)).get("error"):
        click.echo(
            f"Warning: there is no URL group {destination!r} yet: until then the ticks make no message", err=True
        )


@schedules.command("pause")
@click.argument("schedule")
@remote
def pause(told: Remote, schedule: str) -> None:
    """Let a schedule make nothing more."""
    told.send(management.pause_schedule(schedule))
    told.out.done(f"schedule {schedule} is paused", scheduleId=schedule, paused=True)


@schedules.command("resume")
@click.argument("schedule")
@remote
def resume(told: Remote, schedule: str) -> None:
    """Let a schedule go on."""
    told.send(management.resume_schedule(schedule))
    told.out.done(f"schedule {schedule} goes on", scheduleId=schedule, paused=False)


@schedules.command("run")
@click.argument("schedule")
@remote
def run(told: Remote, schedule: str) -> None:
    """Let a schedule tick now, paused or not, beside the ticks it has."""
    made = told.send(insight.run_schedule(schedule))
    told.out.done("\n".join(made), messageIds=made)


@schedules.command("delete")
@click.argument("schedule")
@remote
def delete(told: Remote, schedule: str) -> None:
    """Delete a schedule."""
    told.send(management.delete_schedule(schedule))
    told.out.done(f"schedule {schedule} is deleted", scheduleId=schedule, deleted=True)
