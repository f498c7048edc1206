"""`ringback dlq`: messages that failed for good."""

import click

from ringback.cli.filters import ABOUT_MESSAGES, filtered
from ringback.cli.output import field, moment
from ringback.cli.remote import Remote, remote
from ringback.client import management

_COLUMNS = (
    ("DEAD LETTER", field("dlqId")),
    ("PUBLISHED", moment("createdAt")),
    ("STATUS", field("responseStatus")),
    ("MESSAGE", field("messageId")),
    ("URL", field("url")),
    ("LAST ANSWER", lambda letter: str(letter.get("responseBody", ""))[:60].replace("\n", " ")),
)
_WHICH = ("messageId", "responseStatus", *ABOUT_MESSAGES)


@click.group()
def dlq() -> None:
    """Look at messages that failed for good; publish them again or forget them."""


@dlq.command("list")
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 100), help="How many.")
@filtered(*_WHICH)
@remote
def list_letters(told: Remote, count: int, which: management.Filter) -> None:
    """List dead letters, newest first."""
    page = told.send(management.dead_letters(which, count=count))
    told.out.records(page.items, _COLUMNS, none="No dead letters.")


@dlq.command("show")
@click.argument("dead_letter")
@remote
def show(told: Remote, dead_letter: str) -> None:
    """Show one dead letter, with the last answer."""
    told.out.record(told.send(management.dead_letter(dead_letter)))


@dlq.command("retry")
@click.argument("ids", metavar="[DEAD_LETTER]...", nargs=-1)
@filtered(*_WHICH)
@remote
def retry(told: Remote, ids: tuple[str, ...], which: management.Filter) -> None:
    """Publish dead letters again: by their ids, or a page of those that fit the options."""
    made = told.send(management.retry_dead_letters({"dlqIds": ids} if ids else which))
    told.out.done(f"{len(made)} published again", messageIds=[one["messageId"] for one in made])


@dlq.command("delete")
@click.argument("ids", metavar="[DEAD_LETTER]...", nargs=-1)
@filtered(*_WHICH)
@remote
def delete(told: Remote, ids: tuple[str, ...], which: management.Filter) -> None:
    """Forget dead letters: by their ids, or a page of those that fit the options."""
    count = told.send(management.delete_dead_letters({"dlqIds": ids} if ids else which))
    told.out.done(f"{count} deleted", deleted=count)
