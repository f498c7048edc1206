"""`ringback tokens`: who may do what."""

import click

from ringback.broker.operations.keys import random_word
from ringback.cli.listing import Listing
from ringback.cli.output import field
from ringback.cli.remote import Remote, remote
from ringback.client import insight

_COLUMNS = (("MAY", field("role")), ("FINGERPRINT", field("fingerprint")))
_KINDS = {"read-only": "RINGBACK_READ_ONLY_TOKEN", "publish-only": "RINGBACK_PUBLISH_ONLY_TOKEN"}


@click.group(cls=Listing)
def tokens() -> None:
    """Look at the tokens of an account, or make one."""


@tokens.command("list")
@remote
def list_tokens(told: Remote) -> None:
    """List what tokens there are, by the beginning of their SHA-256; wants the full token."""
    account = told.send(insight.account())
    told.out.records(account["tokens"], _COLUMNS, none=f"This token is {account['role']}; the full one sees all.")


@tokens.command("new")
@click.argument("kind", type=click.Choice(sorted(_KINDS)))
def new(kind: str) -> None:
    """Print a fresh token as a line for the environment of `ringback serve`; it is in force after a restart."""
    click.echo(f"{_KINDS[kind]}={random_word(40)}")
