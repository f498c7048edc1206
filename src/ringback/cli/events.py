"""`ringback events`: what has happened to messages, and what is happening now."""

import itertools
import time
from collections.abc import Iterator

import click

from ringback.cli.filters import ABOUT_MESSAGES, filtered
from ringback.cli.output import Shape, field, moment, time_of
from ringback.cli.remote import Remote, remote
from ringback.client import management


def _note(event: Shape) -> str:
    status = f"answered {event['responseStatus']}" if event.get("responseStatus") else ""
    again = f"again at {time_of(event['nextDeliveryTime'])}" if event["state"] == "RETRY" else ""
    return ", ".join(part for part in (event.get("error") or status, again) if part)


_COLUMNS = (
    ("TIME", moment("time")),
    ("STATE", field("state")),
    ("MESSAGE", field("messageId")),
    ("STATUS", field("responseStatus")),
    ("URL", field("url")),
    ("NOTE", _note),
)
_PAUSE_S = 0.5
_PAGE = 200


@click.command()
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens next, until Ctrl-C.")
@filtered("messageId", "state", *ABOUT_MESSAGES)
@remote
def events(told: Remote, count: int, follow: bool, which: management.Filter) -> None:
    """List what has happened to messages, newest first; --follow shows it as it happens."""
    page = told.send(management.events(which, count=count))
    if not follow:
        told.out.records(page.items, _COLUMNS, none="Nothing has happened that fits.")
        return
    for event in itertools.chain(reversed(page.items), _next_ones(told, which, page.items)):
        told.out.line(event, _line(event))


def _next_ones(told: Remote, which: management.Filter, seen: list[Shape]) -> Iterator[Shape]:
    """Yield events as they happen: what is newer than the newest seen, asked for again and again.

    Events of one millisecond may come in two answers, so the last ones are remembered.
    """
    newest = max((event["time"] for event in seen), default=0)
    known = {_identity(event) for event in seen}
    while True:
        latest = {**which, "fromDate": newest, "order": "earliestFirst"}
        fresh = [one for one in told.send(management.events(latest, count=_PAGE)).items if _identity(one) not in known]
        yield from fresh
        if not fresh:
            time.sleep(_PAUSE_S)
            continue
        newest = max(event["time"] for event in fresh)
        known = {one for one in known if one[0] == newest} | {_identity(event) for event in fresh}


def _identity(event: Shape) -> tuple[int, str, str]:
    return event["time"], event["messageId"], event["state"]


def _line(event: Shape) -> str:
    parts = [time_of(event["time"]), f"{event['state']:<9}", event["messageId"], event["url"], _note(event)]
    return "  ".join(part for part in parts if part)
