"""All commands of `ringback`, one line each; a command is loaded when it is asked for."""

from importlib import import_module

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

EXTRAS = {"console": "console", "import": "importer"}
"""Which extra brings the libraries of a command; `server` unless named."""


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
            if (error.name or "").startswith("ringback."):
                raise
            return _unavailable(name, error.name or "a library")
        return command


def _unavailable(name: str, library: str) -> click.Command:
    remedy = f"{library} is missing; install it with: pip install 'ringback[{EXTRAS.get(name, 'server')}]'"

    def refuse() -> None:
        raise click.ClickException(remedy)

    return click.Command(name, callback=refuse, help=f"Not available: {remedy}", add_help_option=False)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ringback")
def ringback() -> None:
    """The queue that calls you back.

    Commands that talk to a broker find it by QSTASH_URL and QSTASH_TOKEN, or --broker and --token; with neither they
    take the local `ringback dev`. --json makes their answer one for programs.

    \b
    Exit status: 0 done; 1 refused, failed or interrupted; 2 wrong usage; 3 the broker gives no answer.
    """
