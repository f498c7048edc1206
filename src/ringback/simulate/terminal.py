"""What a person sees: this file has the live view of a terminal, and plain lines for everything else."""

import contextlib
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ringback.simulate.findings import counted
from ringback.simulate.happenings import Answered, Changed, Happening, Logged
from ringback.simulate.simulation import Simulation

_ROWS = 12
_FINDINGS = 6
_REFRESH_S = 0.25
_COLOURS = {
    "frozen": "cyan",
    "working": "green",
    "starting": "yellow",
    "working, replaced": "magenta",
    "warning": "yellow",
    "error": "red",
}


def line_of(happening: Happening) -> str:
    """Return one plain line."""
    match happening:
        case Answered(request, status, seconds, instance, cold, note):
            told = ", ".join(filter(None, (instance, "cold start" if cold else "", note)))
            return f"{request} -> {status} in {seconds:.3f} s{f' ({told})' if told else ''}"
        case Changed(instance, what):
            return f"{instance}: {what}" if instance else what
        case Logged(instance, text):
            return f"[{instance}] {text}"


def picture(state: dict[str, Any], url: str) -> Group:
    """Return the live view of a state as `Simulation.snapshot` gives it."""
    head = Text.assemble(
        (f"{state['application']} on {state['platform']}", "bold"),
        f"  {url}  {counted(state['requests'], 'request')}, {counted(state['coldStarts'], 'cold start')}",
    )
    instances = Table("instance", "state", "working on", "served", "MiB", "awake", "alive", expand=True)
    for one in state["instances"]:
        instances.add_row(
            one["name"],
            Text(one["state"], _COLOURS[one["state"]]),
            "\n".join(one["inFlight"]),
            str(one["served"]),
            f"{one['memoryMb']:.0f}",
            f"{one['awakeSeconds']:.1f} s",
            f"{one['aliveSeconds']:.1f} s",
        )
    requests = Table("request", "status", "seconds", "instance", "", expand=True)
    for one in state["answered"][-_ROWS:]:
        status = Text(str(one["status"]), "red" if one["status"] >= 500 else "")
        requests.add_row(one["request"], status, f"{one['seconds']:.3f}", one["instance"], one["note"])
    found = [
        Text.assemble((f"{one['severity']} ", _COLOURS[one["severity"]]), f"{one['what']} ({one['where']})")
        for one in state["findings"][:_FINDINGS]
    ]
    return Group(head, instances, requests, *found, Text("r redeploy   q end and report", "dim"))


def watch(simulation: Simulation, console: Console, stop: threading.Event) -> None:
    """Show the live view until `q` or until told to stop; `r` redeploys."""
    view = Live(get_renderable=lambda: picture(simulation.snapshot(), simulation.url), console=console, transient=True)
    with _keys(sys.stdin) as pressed, view:
        while (key := pressed(_REFRESH_S)) != "q" and not stop.is_set():
            if key == "r":
                simulation.redeploy()


@contextlib.contextmanager
def _keys(terminal: TextIO) -> Iterator[Callable[[float], str]]:
    """Give a function that waits so many seconds for a key; the terminal does not show what is typed meanwhile."""
    number = terminal.fileno()
    before = termios.tcgetattr(number)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([number], [], [], seconds)
        return os.read(number, 1).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(number)
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
