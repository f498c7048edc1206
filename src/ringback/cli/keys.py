"""`ringback keys`: the keys that deliveries are signed with."""

import click

from ringback.cli.listing import Listing
from ringback.cli.remote import Remote, remote
from ringback.client import management


@click.group(cls=Listing)
def keys() -> None:
    """Look at the signing keys, or rotate them."""


@keys.command("show")
@remote
def show(told: Remote) -> None:
    """Show the current and the next key. They are secrets: mind who reads along."""
    told.out.record(told.send(management.signing_keys()))


@keys.command("rotate")
@click.confirmation_option(
    prompt="Endpoints must know the next key already (QSTASH_NEXT_SIGNING_KEY), or they refuse deliveries. Go on?"
)
@remote
def rotate(told: Remote) -> None:
    """Make the next key the current one, and a new next one."""
    told.out.record(told.send(management.rotate_signing_keys()))
