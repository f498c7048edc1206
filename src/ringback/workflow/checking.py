"""The deploy check: new code is replayed against the histories of runs in flight, before it is deployed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ringback.client.calls import entries as fetch_entries
from ringback.client.client import AsyncWorkflowClient
from ringback.client.filters import LogFilter
from ringback.client.messages import RunRef
from ringback.errors import Refused
from ringback.wire.steps import Entry
from ringback.workflow.definition import Workflow, WorkflowFunction, as_workflow
from ringback.workflow.errors import StepMismatch
from ringback.workflow.facts import Facts
from ringback.workflow.following import Announce, Perform, Purpose
from ringback.workflow.journal import read_journal
from ringback.workflow.middleware import Middlewares
from ringback.workflow.payload import payload_of
from ringback.workflow.turn import Turn


@dataclass(frozen=True, slots=True)
class Checked:
    """What new code makes of one run in flight.

    Attributes:
        workflow_run_id: the run.
        problem: why it would break, in words; None when it would go on.
        next_step: the step it would do next; None when it would end, or waits for others of its group.
        error: class name of the error that stands behind the problem; None when there is none.
        step: number of the step at which code and history part; None where no step is to blame.
    """

    workflow_run_id: str
    problem: str | None = None
    next_step: str | None = None
    error: str | None = None
    step: int | None = None


async def check_runs(
    function: WorkflowFunction | Workflow, url: str, client: AsyncWorkflowClient, *, most: int = 1000
) -> list[Checked]:
    """Replay the history of each run that is in flight at `url` against `function`; no step is done.

    >>> broken = [run for run in await check_runs(order, url, client) if run.problem]

    Args:
        function: the new code. What stands between its steps runs, as on every delivery.
        url: where the old code is served.
        client: the way to the broker.
        most: how many runs are looked at, the newest first.
    """
    checked: list[Checked] = []
    cursor: str | None = None
    while len(checked) < most:
        page = await client.logs(LogFilter(workflow_url=url, state="RUN_STARTED"), cursor=cursor)
        for run in page.items[: most - len(checked)]:
            try:
                history = await client.transport.send(fetch_entries(run["workflowRunId"]))
            except Refused as error:
                if error.status == 404:
                    continue  # it has ended meanwhile
                raise
            replayed = await check_history(function, run["workflowRunId"], history, url, client)
            checked.append(against_waiting(replayed, run))
        cursor = page.cursor
        if cursor is None:
            break
    return checked


async def check_history(
    function: WorkflowFunction | Workflow, run_id: str, history: Sequence[Entry], url: str, client: AsyncWorkflowClient
) -> Checked:
    """Replay one history; no step is done."""
    workflow = as_workflow(function, {"transport": client.transport})
    try:
        journal = read_journal(history)
        payload = payload_of(workflow, journal.payload)
        turn = Turn(workflow, Facts(RunRef(run_id, url)), client.transport, Middlewares(()), {})
        purpose = await turn.foresee(journal, payload)
    except Exception as error:  # noqa: BLE001 - whatever the code raises is what would break the run
        return broken(run_id, error)
    return going_on(run_id, purpose)


def broken(run_id: str, error: BaseException) -> Checked:
    """Return what it means for a run that the code raises an error."""
    step = error.number if isinstance(error, StepMismatch) else None
    name = type(error).__name__
    return Checked(run_id, f"{name}: {error}", None, name, step)


def going_on(run_id: str, purpose: Purpose) -> Checked:
    """Return what it means for a run what the code would do next."""
    match purpose:
        case Perform(asked):
            return Checked(run_id, None, asked.name)
        case Announce(asked):
            return Checked(run_id, None, ", ".join(step.name for step in asked))
    return Checked(run_id)


def against_waiting(checked: Checked, run: dict[str, Any]) -> Checked:
    """Hold what the code would do next against what the run is in the midst of.

    Args:
        checked: what the code makes of the run's history, which holds the results of sleeps, waits and calls only when they
            have ended.
        run: the run as the broker's log shows it.
    """
    groups = (group for group in run.get("steps", ()) if group.get("type") == "sequential")
    steps = (step for group in groups for step in group.get("steps", ()))
    waited_for = [step for step in steps if step.get("state") == "STEP_PROGRESS" and step.get("stepName")]
    names = [step["stepName"] for step in waited_for]
    if checked.problem or not names or checked.next_step in names:
        return checked
    instead = "would end" if checked.next_step is None else f"goes on with {checked.next_step!r}"
    problem = f"the run waits for step {names[0]!r}, but the code {instead}"
    return Checked(checked.workflow_run_id, problem, checked.next_step, "StepMismatch", waited_for[0].get("stepId"))
