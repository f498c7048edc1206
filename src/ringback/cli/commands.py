"""All commands of `ringback`, one line each."""

import click

from ringback import __version__
from ringback.cli.dev import dev
from ringback.cli.serve import secrets, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ringback")
def ringback() -> None:
    """The queue that calls you back."""


for command in (dev, serve, secrets):
    ringback.add_command(command)
