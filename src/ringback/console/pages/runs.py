"""Runs of workflows: a list, one as a waterfall, and what can be done to it."""

import asyncio
import json

from ringback.client import dead_letters as dlq
from ringback.client import events as waking
from ringback.client import runs as calls
from ringback.client.insight import runs
from ringback.console.pages.causes import causes_of
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views import runs as views
from ringback.console.views.history import api_filter
from ringback.errors import Refused

_NAMES = (*(name for name, _ in views.FILTERS), "state", "fromDate", "toDate")
_NO_BODIES = "-1"


async def load_list(visit: Visit) -> Values:
    """Runs, the newest first."""
    which = api_filter(visit.given, _NAMES)
    found = await visit.ask(runs({**which, "trimBody": _NO_BODIES}, cursor=visit.one("cursor") or None))
    return {
        "filters": views.FILTERS,
        "states": views.STATES,
        "given": which,
        "runs": [views.summary(run) for run in found.items],
        "cursor": found.cursor,
    }


async def load_one(visit: Visit) -> Values:
    """One run."""
    id_ = visit.path["run"]
    created = visit.one("createdAt")
    which = {"workflowRunId": id_, **({"workflowCreatedAt": created} if created else {})}
    found, causes = await asyncio.gather(visit.ask(runs(which)), causes_of(visit, id_))
    if not found.items:
        raise Refused(404, f"There is no run {id_}.")
    run = found.items[0]
    return {
        "id": id_,
        "run": run,
        "older": found.items[1:],
        "causes": causes if run["workflowState"] == "RUN_STARTED" else [],
        "fall": views.waterfall(run, visit.now),
        "input": _input(run),
    }


def _input(run: dict[str, object]) -> str:
    steps = run.get("steps")
    first = steps[0]["steps"][0] if isinstance(steps, list) and steps and steps[0]["steps"] else {}
    return str(first.get("out", "")) if first.get("stepType") == "Initial" else ""


async def cancel(visit: Visit) -> Done:
    """Cancel a run."""
    id_ = visit.path["run"]
    canceled = await visit.ask(calls.cancel(id_))
    return Done("The run is canceled." if canceled else "The run had ended before.", f"{ROOT}/runs/{id_}")


async def resume(visit: Visit) -> Done:
    """Go on where a run failed."""
    new = await visit.ask(dlq.resume(visit.one("dlqId")))
    return Done("Resumed: this new run keeps the results of the steps before.", f"{ROOT}/runs/{new[0]}")


async def restart(visit: Visit) -> Done:
    """Run it again from the start."""
    new = await visit.ask(dlq.restart(visit.one("dlqId")))
    return Done("Restarted from the beginning, as this new run.", f"{ROOT}/runs/{new[0]}")


async def fail_again(visit: Visit) -> Done:
    """Call the failure function once more."""
    await visit.ask(dlq.rerun_failure_function(visit.one("dlqId")))
    return Done("The failure function is called again.", f"{ROOT}/runs/{visit.path['run']}")


async def notify(visit: Visit) -> Done:
    """Send an event to a run."""
    id_, event, data = visit.path["run"], visit.one("event").strip(), visit.one("data")
    if not event:
        raise ValueError("event: expected the id of the event")
    woken = await visit.ask(waking.notify(event, _value(data), id_))
    waited = any("waiter" in one for one in woken)
    told = "The event has woken the run." if waited else "The event is kept for the run until it waits for it."
    return Done(told, f"{ROOT}/runs/{id_}")


def _value(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text


SECTION = Section(
    (
        Screen("/runs", "runs.html", load_list, "Runs", "Watch", live=True),
        Screen("/runs/{run}", "run.html", load_one, "Run", live=True),
    ),
    (
        Deed("/runs/{run}/cancel", cancel),
        Deed("/runs/{run}/resume", resume),
        Deed("/runs/{run}/restart", restart),
        Deed("/runs/{run}/failure-function", fail_again),
        Deed("/runs/{run}/notify", notify),
    ),
)
