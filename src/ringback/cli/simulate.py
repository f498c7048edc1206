"""`ringback simulate`: an application as a serverless platform would run it, and a report of what goes wrong there."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ringback.errors import RingbackError
from ringback.simulate.limits import LIMITS, Limit
from ringback.simulate.platforms import NAMES, Platform, platform

F = TypeVar("F", bound=Callable[..., Any])
URL_VARIABLE = "RINGBACK_SIMULATED_URL"
_DEFAULT_PORT = 8000
_BETWEEN_LOOKS_S = 0.05


def _limits(command: F) -> F:
    for limit in reversed(LIMITS):
        command = click.option(*_names(limit), limit.name, type=_kind(limit), default=None, help=_help(limit))(command)
    return command


def _kind(limit: Limit) -> Any:
    kinds = {type(limit.values[name].value) for name in NAMES}
    if kinds == {bool}:
        return bool
    least = 0 if 0 in [limit.values[name].value for name in NAMES] else 0.01 if limit.name.endswith("_s") else 1
    return click.FloatRange(min=least) if limit.name.endswith("_s") else click.IntRange(min=int(least))


def _names(limit: Limit) -> tuple[str, ...]:
    is_switch = isinstance(limit.values[NAMES[0]].value, bool)
    return (f"{limit.option}/--no-{limit.option.removeprefix('--')}",) if is_switch else (limit.option,)


def _help(limit: Limit) -> str:
    values = ", ".join(f"{name} {limit.values[name].value}" for name in NAMES)
    return f"{limit.about[0].upper()}{limit.about[1:]}. [{values}]"


def _variables(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, separator, _value in pairs:
        if not name or not separator:
            raise click.BadParameter(f"expected NAME=VALUE, not {name!r}")
    return {name: value for name, _separator, value in pairs}


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("name", metavar="PLATFORM", type=click.Choice(NAMES))
@click.argument("target", metavar="MODULE:APP")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port to listen on; 0 takes a free one.  [default: {_DEFAULT_PORT}; with COMMAND a free one]",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    help="Where MODULE is imported from; the current folder unless given.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    callback=_variables,
    metavar="NAME=VALUE",
    help="A variable for the application; {url} in it becomes the deployment's address. May be repeated.",
)
@click.option(
    "--clean-env",
    is_flag=True,
    help="Give the application no variables of this shell, only the platform's and those of --env and --broker.",
)
@click.option(
    "--writable",
    multiple=True,
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="A folder that may be written, standing for storage outside. May be repeated.",
)
@click.option(
    "--front",
    type=click.Choice(["function-url", "api-gateway"]),
    default="function-url",
    show_default=True,
    help="What stands before a Lambda function.",
)
@click.option(
    "--broker", "with_broker", is_flag=True, help="Run `ringback dev` beside it and set the QSTASH variables."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout; everything else goes to stderr.")
@_limits
def simulate(name: str, target: str, command: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Run an ASGI or WSGI application or a Lambda handler as a serverless platform would.

    Instances start cold, are frozen while they have no request, killed when one takes too long, and may write only to the
    temporary folder. The end (q, Ctrl-C, or the end of COMMAND) brings a report of what would have gone wrong in production.
    COMMAND finds the address in RINGBACK_SIMULATED_URL.

    Exit status: 0 nothing found, 10 warnings, 20 errors; COMMAND's own if that failed; 1 could not start; 2 wrong usage.
    """
    limits = {limit.name: options[limit.name] for limit in LIMITS if options[limit.name] is not None}
    rules = platform(name, front=options["front"], **limits)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    live = sys.stdin.isatty() and sys.stdout.isatty() and not command and not as_json
    try:
        report, status = _run(target, rules, command, {**options, "live": live, "as_json": as_json}, stop)
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing: pip install 'ringback[simulate]'") from error
    except (RingbackError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(report.as_json() if as_json else f"\n{report.words()}", nl=not as_json or sys.stdout.isatty())
    sys.exit(status or report.exit_status)


def _run(
    target: str,
    rules: Platform,
    command: tuple[str, ...],
    options: dict[str, Any],
    stop: threading.Event,
) -> tuple[Any, int]:
    """Simulate until told to stop; return the report and the command's exit status."""
    from rich.console import Console

    from ringback.simulate import terminal
    from ringback.simulate.happenings import Changed, Logged
    from ringback.simulate.simulation import simulated

    console = Console()
    live, as_json = options["live"], options["as_json"]

    def listen(happening: Any) -> None:
        if not live:
            click.echo(terminal.line_of(happening), err=as_json)
        elif isinstance(happening, Logged) or (isinstance(happening, Changed) and not happening.instance):
            console.print(terminal.line_of(happening), markup=False, highlight=False)

    port = options["port"] if options["port"] is not None else 0 if command else _DEFAULT_PORT
    with contextlib.ExitStack() as stack:
        variables = options["variables"]
        if options["with_broker"]:
            from ringback.simulate.beside import broker

            variables = {**stack.enter_context(broker()), **variables}
        simulation = stack.enter_context(
            simulated(
                target,
                rules,
                folder=options["folder"],
                environment=variables,
                inherits=not options["clean_env"],
                writable=options["writable"],
                address=(options["host"], port),
                listen=listen,
            )
        )
        status = 0
        if live:
            terminal.watch(simulation, console, stop)
        else:
            click.echo(f"{target} on {rules.name} at {simulation.url}", err=as_json)
            status = _until_told(simulation.url, variables, command, stop)
    return simulation.report(), status


def _until_told(url: str, variables: dict[str, str], command: tuple[str, ...], stop: threading.Event) -> int:
    """Wait for the end of the command or to be told to stop; return the command's exit status."""
    if not command:
        stop.wait()
        return 0
    with subprocess.Popen(command, env={**os.environ, **variables, URL_VARIABLE: url}) as process:
        while process.poll() is None and not stop.wait(_BETWEEN_LOOKS_S):
            pass
        process.terminate()
        status = process.wait()
    return 0 if stop.is_set() else status
