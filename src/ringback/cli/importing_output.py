"""What an import shows: plans and accounts as tables, a progress bar, and a file with a line for each job."""

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ringback.importing.bullmq.account import Account
from ringback.importing.bullmq.jobs import STATES
from ringback.importing.bullmq.survey import Said, Survey
from ringback.importing.qstash.objects import Piece

_ACTIONS = {
    "publish": "published",
    "letter": "to the dead letters",
    "park": "into a paused queue",
    "schedule": "as schedules",
}


class Job:
    """Writes a line of JSON for each job."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def tell(self, about: dict[str, Any]) -> None:
        """Write one."""
        self._file.write(json.dumps(about, ensure_ascii=False) + "\n")


class Narrator:
    """A progress bar on a terminal; silent elsewhere.

    Args:
        what: what is being done.
        total: how many there are, None where that is not known.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._what = what
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def watch(self, step: str, count: int) -> None:
        """Note a step."""
        if step == "running":
            self._bar.update(self._task, description=f"waiting for {count} jobs that are being worked on")
            return
        self._bar.update(self._task, description=self._what)
        if step in ("moved", "returned"):
            self._bar.advance(self._task, count)


def tell_survey(name: str, seen: Survey, changed: str | None) -> None:
    """Print the inventory and the plan of a queue."""
    table = _table("state", "jobs", "what becomes of them")
    for state in STATES:
        if seen.found[state]:
            plans = [
                f"{seen.moves[state, action]} {text}" for action, text in _ACTIONS.items() if seen.moves[state, action]
            ]
            plans += [f"{seen.stays[state]} stay"] if seen.stays[state] else []
            table.add_row(state, str(seen.found[state]), ", ".join(plans))
    for other, count, text in (
        ("running", seen.running, "waited for: a worker has them"),
        ("waiting for children", seen.families, "stay: flows are not moved"),
        ("completed", seen.completed, "stay"),
    ):
        if count:
            table.add_row(other, str(count), text)
    click.echo(f"Queue {name}")
    _print(table)
    if seen.next_runs:
        runs = (
            "1 next run goes or stays with its schedule"
            if seen.next_runs == 1
            else f"{seen.next_runs} next runs go or stay with their schedules"
        )
        click.echo(f"{runs}.")
    for line in (*([changed] if changed else []), *seen.about_queue):
        click.echo(f"Note: {line}")
    _tell("Stays in BullMQ:", seen.reasons)
    _tell("Not carried:", seen.notes)


def tell_pieces(plan: Sequence[Piece]) -> None:
    """Print what becomes of the objects of an account."""
    table = _table("what", "name", "here", "")
    for piece in plan:
        table.add_row(piece.kind, piece.name, piece.standing, f"stays: {piece.stays}" if piece.stays else "")
    _print(table)
    if any(piece.kind == "URL group" for piece in plan):
        click.echo("Note: default headers of URL groups are not shown by the source; set them again.")


def tell_account(account: Account) -> None:
    """Print the closing account."""
    table = _table("state", "found", "published", "dead letters", "parked", "schedules", "stayed")
    for line in account.lines:
        counts = (line.found, line.published, line.buried, line.parked, line.scheduled, line.stayed)
        table.add_row(line.state, *(str(count) if count else "-" for count in counts))
    click.echo("\nAccount")
    _print(table)
    click.echo(f"{account.found} found = {account.moved} moved + {account.stayed} stayed" + _taken(account.taken))
    click.echo(f"The broker has {account.known} messages of this import on record.")
    for problem in account.problems:
        click.echo(f"Does not fit: {problem}")
    click.echo("The account balances." if not account.problems else "The account does not balance.")


def _taken(taken: int) -> str:
    if taken > 0:
        return f" + {taken} that workers finished meanwhile"
    return f" - {-taken} that came meanwhile" if taken else ""


def _tell(heading: str, said: Mapping[str, Said]) -> None:
    if said:
        click.echo(heading)
    for text, about in said.items():
        more = ", ..." if about.count > len(about.samples) else ""
        click.echo(f"  {about.count}: {text} ({', '.join(about.samples)}{more})")


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title)
    return table


def _print(table: Table) -> None:
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else 200, highlight=False, markup=False).print(table)
