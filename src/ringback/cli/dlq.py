"""`ringback dlq`: messages that failed for good."""

import click

from ringback.cli.bulk import Chosen, choosing, forget_all, made_of, through
from ringback.cli.filters import ABOUT_MESSAGES, filtered
from ringback.cli.listing import Listing
from ringback.cli.output import field, moment
from ringback.cli.remote import Remote, first, remote
from ringback.client import bulk, insight, management

_COLUMNS = (
    ("DEAD LETTER", field("dlqId")),
    ("PUBLISHED", moment("createdAt")),
    ("STATUS", field("responseStatus")),
    ("MESSAGE", field("messageId")),
    ("URL", field("url")),
    ("WHY", lambda letter: insight.what_went_wrong(letter)[:100].replace("\n", " ")),
)
_WHICH = ("messageId", "responseStatus", *ABOUT_MESSAGES)


@click.group(cls=Listing)
def dlq() -> None:
    """Look at messages that failed for good; publish them again or forget them."""


@dlq.command("list")
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@filtered(*_WHICH)
@remote
def list_letters(told: Remote, count: int, which: management.Filter) -> None:
    """List dead letters, newest first."""
    asked = {**which, "order": "latestFirst"}
    letters = first(count, lambda cursor, most: told.send(management.dead_letters(asked, cursor=cursor, count=most)))
    told.out.records(letters, _COLUMNS, none="No dead letters.")


@dlq.command("show")
@click.argument("dead_letter")
@remote
def show(told: Remote, dead_letter: str) -> None:
    """Show one dead letter, with the last answer."""
    told.out.record(told.send(management.dead_letter(dead_letter)))


@dlq.command("retry")
@choosing(*_WHICH)
@remote
def retry(told: Remote, chosen: Chosen) -> None:
    """Publish dead letters again: by their ids, or all that fit the options."""
    made = made_of(through(told, bulk.retry_messages, chosen), "messageId")
    told.out.done(f"{len(made)} published again", messageIds=made)


@dlq.command("delete")
@choosing(*_WHICH)
@remote
def delete(told: Remote, chosen: Chosen) -> None:
    """Forget dead letters: by their ids, or all that fit the options."""
    forget_all(told, bulk.forget_messages, chosen)
