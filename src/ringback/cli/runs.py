"""`ringback runs`: runs of workflows."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress

import click

from ringback.cli.bulk import Chosen, choosing, forget_all, made_of, through
from ringback.cli.filters import ABOUT_RUNS, filtered
from ringback.cli.listing import Listing
from ringback.cli.output import Shape, field, moment, plain, time_of
from ringback.cli.remote import Remote, first, remote
from ringback.client import LogFilter, RunOptions, bulk, events, insight
from ringback.client import runs as api
from ringback.client.management import Filter


def _state(run: Shape) -> str:
    return str(run["workflowState"]).removeprefix("RUN_").lower()


def _steps(run: Shape) -> Iterator[tuple[Shape, bool]]:
    """Yield each step, and whether others run beside it."""
    for group in run.get("steps", ()):
        inner = group.get("steps", ())
        for step in inner:
            yield step, group.get("type") == "parallel"


_COLUMNS = (
    ("RUN", field("workflowRunId")),
    ("STATE", _state),
    ("STARTED", moment("workflowRunCreatedAt")),
    ("ENDED", moment("workflowRunCompletedAt")),
    ("STEPS", lambda run: sum(1 for _ in _steps(run))),
    ("URL", field("workflowUrl")),
)
_LETTERS = (
    ("DEAD LETTER", field("dlqId")),
    ("RUN", field("workflowRunId")),
    ("STATUS", field("responseStatus")),
    ("FAILURE FUNCTION", lambda letter: str(letter.get("failureFunctionState", "")).removeprefix("CALLBACK_").lower()),
    ("URL", field("workflowUrl")),
    ("WHY", lambda letter: insight.what_went_wrong(letter)[:100].replace("\n", " ")),
)
_FAILED = ("responseStatus", "failureFunctionState", *ABOUT_RUNS)
_WIDE = 400
"""Most characters of a result or an error in the story of a run; `--json` tells them whole."""
_STATES = ("started", "success", "failed", "canceled")


@click.group(cls=Listing)
def runs() -> None:
    """Start, watch, cancel and repair runs of workflows."""


@runs.command("list")
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@click.option("--state", type=click.Choice(_STATES), help="In this state.")
@filtered(*ABOUT_RUNS)
@remote
def list_runs(told: Remote, count: int, state: str | None, which: Filter) -> None:
    """List runs, newest first."""
    asked = {**which, "trimBody": "-1", **({"state": f"RUN_{state.upper()}"} if state else {})}
    found = first(count, lambda cursor, most: told.send(insight.runs(asked, cursor=cursor, count=min(10, most))))
    told.out.records(found, _COLUMNS, none="No runs.")


@runs.command("show")
@click.argument("run")
@remote
def show(told: Remote, run: str) -> None:
    """Show a run with its steps."""
    found = told.send(api.logs(LogFilter(workflow_run_id=run), count=1)).items
    if not found:
        hint = "" if run.startswith("wfr_") else "; the ids of runs begin with wfr_"
        raise click.ClickException(f"there is no run {run}{hint}")
    if told.out.as_json:
        told.out.record(found[0])
        return
    for line in _story(found[0]):
        click.echo(plain(line))


@runs.command("trigger")
@click.argument("url")
@click.option("-d", "--data", help="The payload.")
@click.option("--id", "run_id", help="Id of the run; while it goes on, no second one is started.")
@click.option("--retries", type=click.IntRange(0), help="How often a failed step is tried again.")
@click.option("--delay", help="Start after this long, such as 10m.")
@click.option("--label", "labels", multiple=True, help="A name to find the run by.")
@remote
def trigger(
    told: Remote,
    url: str,
    data: str | None,
    run_id: str | None,
    retries: int | None,
    delay: str | None,
    labels: tuple[str, ...],
) -> None:
    """Start a run of the workflow at URL."""
    options = RunOptions(retries=retries, delay=delay, labels=labels)
    started = told.send(api.trigger(url=url, body=data, workflow_run_id=run_id, options=options))
    again = " (goes on already)" if started.deduplicated else ""
    told.out.done(
        f"{started.workflow_run_id}{again}", workflowRunId=started.workflow_run_id, deduplicated=started.deduplicated
    )


@runs.command("cancel")
@click.argument("ids", metavar="RUN...", nargs=-1, required=True)
@remote
def cancel(told: Remote, ids: tuple[str, ...]) -> None:
    """Cancel runs."""
    count = told.send(api.cancel(*ids))
    told.out.done(f"{count} canceled", canceled=count)


@runs.command("notify")
@click.argument("event")
@click.option("-d", "--data", help="What the waiting runs get.")
@click.option("--run", "run_id", help="Only this run; the event is kept until it waits.")
@remote
def notify(told: Remote, event: str, data: str | None, run_id: str | None) -> None:
    """Wake the runs that wait for an event."""
    woken = told.send(events.notify(event, data, run_id))
    told.out.done(f"{len(woken)} woken", woken=woken)


@runs.command("dlq")
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@filtered(*_FAILED)
@remote
def list_letters(told: Remote, count: int, which: Filter) -> None:
    """List runs that failed for good, newest first."""
    asked = {**which, "order": "latestFirst"}
    found = first(count, lambda cursor, most: told.send(insight.failed_runs(asked, cursor=cursor, count=most)))
    told.out.records(found, _LETTERS, none="No failed runs.")


@runs.command("resume")
@choosing(*_FAILED)
@remote
def resume(told: Remote, chosen: Chosen) -> None:
    """Go on with failed runs where they failed, as new runs: by their dead letters, or all that fit the options."""
    _made(told, bulk.resume_runs, chosen)


@runs.command("restart")
@choosing(*_FAILED)
@remote
def restart(told: Remote, chosen: Chosen) -> None:
    """Run failed runs again from the start, as new runs: by their dead letters, or all that fit the options."""
    _made(told, bulk.restart_runs, chosen)


@runs.command("rerun-failure-function")
@choosing(*_FAILED)
@remote
def rerun_failure_function(told: Remote, chosen: Chosen) -> None:
    """Call failure functions again that have failed themselves: by dead letters of their runs, or all that fit the options."""
    _made(told, bulk.rerun_failure_functions, chosen)


@runs.command("forget")
@choosing(*_FAILED)
@remote
def forget(told: Remote, chosen: Chosen) -> None:
    """Delete the dead letters of failed runs, which can then not be resumed: by their ids, or all that fit the options."""
    forget_all(told, bulk.forget_runs, chosen)


def _made(told: Remote, act: bulk.Act, chosen: Chosen) -> None:
    run_ids = made_of(through(told, act, chosen), "workflowRunId")
    told.out.done("\n".join(run_ids) or "0 runs", workflowRunIds=run_ids)


def _story(run: Shape) -> Iterator[str]:
    ended = run.get("workflowRunCompletedAt")
    time = time_of(run["workflowRunCreatedAt"]) + (f" to {time_of(ended)}" if ended else "")
    yield f"{run['workflowRunId']}  {_state(run)}  {time}  {run['workflowUrl']}"
    for step, beside in _steps(run):
        name = step.get("stepName") or step.get("stepType") or "the next step"
        state = str(step.get("state", "")).removeprefix("STEP_").lower()
        mark = "∥ " if beside else "  "
        yield f"{mark}{name:<28} {step.get('stepType', ''):<14} {state:<9} {_result(step)[:_WIDE]}".rstrip()
        yield from (f"      {_failure(error)}" for error in (*step.get("failedAttempts", ()), *step.get("errors", ())))
    if run.get("workflowRunResponse"):
        yield f"  result: {run['workflowRunResponse']}"
    if run.get("dlqId"):
        yield f"  dead letter: {run['dlqId']} (ringback runs resume {run['dlqId']})"
    function = run.get("failureFunction") or {}
    if function:
        state = str(function.get("state", "")).removeprefix("CALLBACK_").lower()
        hint = f" (ringback runs rerun-failure-function {run['dlqId']})" if state == "fail" else ""
        yield f"  failure function: {state}{hint}"


def _failure(error: Shape) -> str:
    """Return an attempt that failed as a line."""
    told = insight.what_went_wrong(error).replace("\n", " ")
    return f"failed {time_of(error['time'])}  {error.get('status') or 'no answer'}  {told}"[:_WIDE].rstrip()


def _result(step: Shape) -> str:
    """Return the result of a step as text; an event's data are in base64 (protocol workflow 2.6)."""
    out = _text(step.get("out"))
    if step.get("stepType") == "Wait":
        with suppress(ValueError):
            return base64.b64decode(out, validate=True).decode()
    return out


def _text(result: object) -> str:
    return result if isinstance(result, str) else "" if result is None else json.dumps(result, ensure_ascii=False)
