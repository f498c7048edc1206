"""`ringback audit`: what administrators did."""

import click

from ringback.cli.output import Shape, field, moment
from ringback.cli.remote import Remote, remote
from ringback.client import insight


def _about(entry: Shape) -> str:
    target = ", ".join(f"{one['name']}={one['value']}" for one in entry.get("target", ()))
    return " ".join(part for part in (target, entry.get("body", "")) if part)


_COLUMNS = (
    ("TIME", moment("time")),
    ("CALL", field("call")),
    ("ABOUT", _about),
    ("FROM", field("callerIp")),
)


@click.command()
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@remote
def audit(told: Remote, count: int) -> None:
    """List what administrators did to queues, schedules, keys and the rest, newest first."""
    told.out.records(told.send(insight.audit(count=count)).items, _COLUMNS, none="Nobody has changed anything.")
