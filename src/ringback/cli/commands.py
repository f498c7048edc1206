"""All commands of `ringback`, one line each; a command is loaded when it is asked for."""

from importlib import import_module
from typing import Any

import click

from ringback import __version__
from ringback.cli.listing import Listing

COMMANDS = {
    "audit": "audit:audit",
    "backup": "backup:backup",
    "batch": "messages:batch",
    "bench": "bench:bench",
    "check-deploy": "check_deploy:check_deploy",
    "completion": "completion:completion",
    "console": "console:console",
    "copy": "database:copy",
    "dev": "dev:dev",
    "dlq": "dlq:dlq",
    "doctor": "doctor:doctor",
    "enqueue": "messages:enqueue",
    "events": "events:events",
    "flow": "flow:flow",
    "groups": "groups:groups",
    "import": "importing:import_",
    "keys": "keys:keys",
    "mcp": "mcp:mcp",
    "messages": "messages:messages",
    "migrate": "database:migrate",
    "publish": "messages:publish",
    "queues": "queues:queues",
    "reseal": "reseal:reseal",
    "restore": "backup:restore",
    "runs": "runs:runs",
    "schedules": "schedules:schedules",
    "secrets": "serve:secrets",
    "serve": "serve:serve",
    "simulate": "simulate:simulate",
    "tokens": "tokens:tokens",
    "why": "why:why",
}
"""Where each command lives: file below `ringback.cli`, and its name there."""

SECTIONS = {
    "Start": ("dev", "serve", "console", "mcp", "secrets"),
    "Send": ("publish", "enqueue", "batch"),
    "Look": ("messages", "events", "runs", "dlq", "why", "doctor", "audit"),
    "Steer": ("queues", "flow", "schedules", "groups", "keys", "tokens"),
    "Look after the database": ("backup", "restore", "migrate", "copy", "reseal"),
    "Try and check": ("simulate", "check-deploy", "bench"),
    "More": ("import", "completion"),
}
"""How the help lists them."""

EXTRAS = {
    "asyncpg": "postgres",
    "cron_descriptor": "console",
    "greenlet": "postgres",
    "mcp": "mcp",
    "redis": "importer",
}
"""Which extra brings a library; `server` unless named."""


class Commands(Listing):
    """Knows the names of its commands, and loads one when it is asked for."""

    sections = SECTIONS

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002 - signature of the base class
        """Return all names in order."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command; one whose libraries are not installed says what to install."""
        if name not in COMMANDS:
            return None
        file, _, attribute = COMMANDS[name].partition(":")
        try:
            command: click.Command = getattr(import_module(f"ringback.cli.{file}"), attribute)
        except ModuleNotFoundError as error:
            return _unavailable(name, _remedy(error))
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run a command; one that asks for a library only then says what to install, too."""
        try:
            return super().invoke(context)
        except ModuleNotFoundError as error:
            if _library(error) not in EXTRAS:  # it may be the application's that is looked at
                raise
            raise click.ClickException(_remedy(error)) from error


def _library(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]


def _remedy(error: ModuleNotFoundError) -> str:
    """Return what to install.

    Raises:
        ModuleNotFoundError: what is missing is ours, or nobody knows what.
    """
    library = _library(error)
    if library in ("", "ringback"):
        raise error
    return f"{library} is missing; install it with: pip install 'ringback[{EXTRAS.get(library, 'server')}]'"


def _unavailable(name: str, remedy: str) -> click.Command:
    def refuse() -> None:
        raise click.ClickException(remedy)

    whatever = {"ignore_unknown_options": True, "allow_extra_args": True}
    help_ = f"Not available: {remedy}"
    return click.Command(name, callback=refuse, help=help_, add_help_option=False, context_settings=whatever)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ringback")
def ringback() -> None:
    """The queue that calls you back.

    Commands that talk to a broker find it by QSTASH_URL and QSTASH_TOKEN, or --broker and --token; with neither they
    take the local `ringback dev`. --json makes their answer one for programs.

    \b
    Exit status: 0 done; 1 refused, failed or interrupted; 2 wrong usage; 3 the broker gives no answer.
    """
