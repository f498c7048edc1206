"""`ringback runs`: runs of workflows."""

import json
from collections.abc import Iterator

import click

from ringback.cli.output import Shape, field, moment, time_of
from ringback.cli.remote import Remote, remote
from ringback.client import LogFilter, RunOptions, dead_letters, events
from ringback.client import runs as api


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
    ("URL", field("workflowUrl")),
    ("LAST ANSWER", lambda letter: str(letter.get("responseBody", ""))[:60].replace("\n", " ")),
)
_STATES = ("started", "success", "failed", "canceled")


@click.group()
def runs() -> None:
    """Start, watch, cancel and repair runs of workflows."""


@runs.command("list")
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1, 10), help="How many.")
@click.option("--state", type=click.Choice(_STATES), help="In this state.")
@click.option("--url", "workflow_url", help="Of the workflow at this URL.")
@click.option("--label", "labels", multiple=True, help="With this label.")
@remote
def list_runs(told: Remote, count: int, state: str | None, workflow_url: str | None, labels: tuple[str, ...]) -> None:
    """List runs, newest first."""
    only = LogFilter(state=f"RUN_{state.upper()}" if state else None, workflow_url=workflow_url, labels=labels)
    told.out.records(told.send(api.logs(only, count=count)).items, _COLUMNS, none="No runs.")


@runs.command("show")
@click.argument("run")
@remote
def show(told: Remote, run: str) -> None:
    """Show a run with its steps."""
    found = told.send(api.logs(LogFilter(workflow_run_id=run), count=1)).items
    if not found:
        raise click.ClickException(f"there is no run {run}")
    if told.out.as_json:
        told.out.record(found[0])
        return
    for line in _story(found[0]):
        click.echo(line)


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
@click.option("-n", "--count", default=30, show_default=True, type=click.IntRange(1, 100), help="How many.")
@remote
def list_letters(told: Remote, count: int) -> None:
    """List runs that failed for good."""
    told.out.records(told.send(dead_letters.dead_letters(count=count)).items, _LETTERS, none="No failed runs.")


@runs.command("resume")
@click.argument("ids", metavar="DEAD_LETTER...", nargs=-1, required=True)
@remote
def resume(told: Remote, ids: tuple[str, ...]) -> None:
    """Go on with failed runs where they failed, as new runs."""
    _made(told, told.send(dead_letters.resume(*ids)))


@runs.command("restart")
@click.argument("ids", metavar="DEAD_LETTER...", nargs=-1, required=True)
@remote
def restart(told: Remote, ids: tuple[str, ...]) -> None:
    """Run failed runs again from the start, as new runs."""
    _made(told, told.send(dead_letters.restart(*ids)))


def _made(told: Remote, run_ids: list[str]) -> None:
    told.out.done("\n".join(run_ids), workflowRunIds=run_ids)


def _story(run: Shape) -> Iterator[str]:
    began = time_of(run["workflowRunCreatedAt"])
    yield f"{run['workflowRunId']}  {_state(run)}  since {began}  {run['workflowUrl']}"
    for step, beside in _steps(run):
        name = step.get("stepName") or step.get("stepType") or "?"
        state = str(step.get("state", "")).removeprefix("STEP_").lower()
        mark = "∥ " if beside else "  "
        yield f"{mark}{name:<28} {step.get('stepType', ''):<14} {state:<9} {_text(step.get('out'))[:100]}".rstrip()
    if run.get("workflowRunResponse"):
        yield f"  result: {run['workflowRunResponse']}"
    if run.get("dlqId"):
        yield f"  dead letter: {run['dlqId']} (ringback runs resume {run['dlqId']})"


def _text(result: object) -> str:
    return result if isinstance(result, str) else "" if result is None else json.dumps(result, ensure_ascii=False)
