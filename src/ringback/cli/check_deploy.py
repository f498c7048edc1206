"""`ringback check-deploy`: which runs in flight would break on new code, where, why, and what helps."""

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from ringback.cli.handlers import deliver_to_handler
from ringback.cli.loading import load
from ringback.cli.output import Shape, time_of
from ringback.cli.remote import Remote, remote
from ringback.client import AsyncTransport, LogFilter, calls
from ringback.client import runs as api
from ringback.simulate.inside.loading import NotAnApplication, interface_of, parameters_of
from ringback.testing.apps import Deliver, deliver_to_app, deliver_to_workflow
from ringback.testing.deploys import InFlight, play_through
from ringback.workflow.checking import Checked
from ringback.workflow.definition import ServeOptions, Workflow, as_workflow
from ringback.workflow.endpoint import Endpoint

_MARKER = (
    'guard the change, so that older runs keep their path:  if await context.patched("what changed"): ...',
    "or keep the old code at its URL until its runs have ended, and serve the new code at another (pinning)",
)
_HELP = {
    "StepMismatch": _MARKER,
    "NotSerializable": ("let the new type read what older steps have recorded: give new fields a default",),
    "NonRetryableError": ("if the payload does not fit any more: give new fields a default, or keep the old names",),
    "NoRoute": ("keep serving the workflow at this path until its runs have ended, the old code or the new",),
}


@click.command("check-deploy")
@click.argument("target", metavar="MODULE:NAME")
@click.option("--url", "prefix", default="", help="Only runs of workflows whose URL begins so.")
@click.option("--most", default=1000, show_default=True, type=click.IntRange(1), help="Runs looked at, newest first.")
@remote
def check_deploy(told: Remote, target: str, prefix: str, most: int) -> None:
    """Replay the runs in flight against new code, and name those that would break.

    MODULE:NAME is a workflow, or an ASGI or WSGI application or a Lambda handler that serves workflows. No step is done; the
    code between steps runs, as on every delivery. Exit status 1 when a run would break.
    """
    deliver, is_app = _deliverer(load(target))
    runs, total = _in_flight(told, prefix, most)
    _check_one_place(runs, is_app=is_app)
    found = asyncio.run(_play_all(runs, deliver, AsyncTransport(told.broker)))
    wrong = [(run, checked) for run, checked in zip(runs, found, strict=True) if checked.problem]
    if told.out.as_json:
        shown = [_shape(run, checked) for run, checked in wrong]
        told.out.record({"checked": len(runs), "inFlight": total, "wouldBreak": shown})
    else:
        _tell(runs, total, wrong)
    if wrong:
        raise click.exceptions.Exit(1)


def _deliverer(loaded: Any) -> tuple[Deliver, bool]:
    """Return what brings deliveries to the new code, and whether that is an application.

    Workflows take a context, WSGI applications and Lambda handlers two arguments and ASGI applications three.
    """
    if isinstance(loaded, Workflow) or (inspect.isroutine(loaded) and len(parameters_of(loaded)) == 1):
        return deliver_to_workflow(Endpoint(as_workflow(loaded, ServeOptions()))), False
    try:
        interface = interface_of(loaded, "lambda")
    except NotAnApplication as error:
        raise click.UsageError(f"{error}, or a workflow") from error
    return (deliver_to_handler(loaded) if interface == "lambda" else deliver_to_app(loaded)), True


def _in_flight(told: Remote, prefix: str, most: int) -> tuple[list[InFlight], int]:
    """Return the newest runs in flight with their histories, and how many there are, as far as was counted."""
    runs: list[InFlight] = []
    total, cursor = 0, None
    while True:
        page = told.send(api.logs(LogFilter(state="RUN_STARTED"), cursor=cursor))
        wanted = [run for run in page.items if str(run["workflowUrl"]).startswith(prefix)]
        total += len(wanted)
        runs += [found for run in wanted[: max(0, most - len(runs))] if (found := _with_history(told, run))]
        cursor = page.cursor
        if cursor is None or len(runs) >= most:
            return runs, total


def _with_history(told: Remote, run: Shape) -> InFlight | None:
    """Return a run with its history; None if it has ended meanwhile."""
    entries = told.find(calls.entries(run["workflowRunId"]))
    return None if entries is None else InFlight(run, entries)


def _check_one_place(runs: Sequence[InFlight], *, is_app: bool) -> None:
    """Refuse to hold runs of other programs against this code."""
    places = sorted({_origin(run.url) if is_app else run.url for run in runs})
    if len(places) > 1:
        what = "application" if is_app else "workflow"
        listed = "\n  ".join(places)
        raise click.UsageError(f"runs are in flight at several places; name this {what}'s with --url:\n  {listed}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def _play_all(runs: Sequence[InFlight], deliver: Deliver, transport: AsyncTransport) -> list[Checked]:
    try:
        return [await play_through(run, deliver, transport) for run in runs]
    finally:
        await transport.close()


def _tell(runs: Sequence[InFlight], total: int, wrong: Sequence[tuple[InFlight, Checked]]) -> None:
    more = f" (of {total}; look at more with --most)" if total > len(runs) else ""
    noun = "run" if len(runs) == 1 else "runs"
    click.echo(f"{len(runs)} {noun} in flight{more}: {len(runs) - len(wrong)} go on, {len(wrong)} would break.")
    for run, checked in wrong:
        place = f", at step {checked.step}" if checked.step else ""
        click.echo(f"\n{run.id}, since {time_of(run.log['workflowRunCreatedAt'])}, {run.url}{place}")
        click.echo(f"  {checked.problem}")
    if wrong:
        click.echo("\nWhat helps:")
        for line in dict.fromkeys(line for _, checked in wrong for line in _help(checked)):
            click.echo(f"  - {line}")


def _shape(run: InFlight, checked: Checked) -> Shape:
    return {
        "workflowRunId": run.id,
        "workflowUrl": run.url,
        "step": checked.step,
        "error": checked.error,
        "problem": checked.problem,
        "help": list(_help(checked)),
    }


def _help(checked: Checked) -> tuple[str, ...]:
    """Return what helps against a problem."""
    drain = "or deploy when they have ended:  ringback runs list --state started"
    return (*_HELP.get(checked.error or "", ("mend the code: as it is, these runs would fail",)), drain)
