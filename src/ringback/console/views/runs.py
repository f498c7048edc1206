"""Runs: how far they are, and one of them as a waterfall of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.console.views.words import duration, tone

Shape = dict[str, Any]

FILTERS = (
    ("workflowUrl", "Workflow URL"),
    ("workflowRunId", "Run id"),
    ("label", "Label"),
    ("host", "Host"),
    ("path", "Path"),
    ("flowControlKey", "Flow-control key"),
    ("callerIp", "Caller IP"),
)
STATES = ("RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")
WIDTH = 1000.0
_LEAST = 3.0
_KINDS = {
    "Initial": "start",
    "Run": "run",
    "SleepFor": "sleep",
    "SleepUntil": "sleep",
    "Wait": "wait for an event",
    "Call": "call",
    "Invoke": "child run",
    "Notify": "notify",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A step in the waterfall.

    Attributes:
        name: its name.
        kind: what sort of step it is, in words.
        state: as in the API.
        began, ended: when, in milliseconds; `ended` None while it goes on.
        x, width: its place among `WIDTH`.
        marks: places of attempts that failed.
        parallel: whether it stands in a group of steps side by side.
        detail: its fields in the API.
        errors: attempts that failed.
    """

    name: str
    kind: str
    state: str
    began: int
    ended: int | None
    x: float
    width: float
    marks: Sequence[float]
    parallel: bool
    detail: Shape
    errors: Sequence[Shape]

    @property
    def tone(self) -> str:
        """How it is coloured: waiting is quiet, work that goes well is busy or good."""
        if self.kind in ("sleep", "wait for an event") and self.state in ("STEP_SUCCESS", "STEP_PROGRESS"):
            return "quiet"
        return tone(self.state)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All steps of a run on one scale.

    Attributes:
        bars: in the order they began.
        began, ended: what the scale goes from and to.
        ticks: places on it, each with what it says.
    """

    bars: list[Bar]
    began: int
    ended: int
    ticks: list[tuple[float, str]]


@dataclass(slots=True)
class _Spell:
    step: Shape
    began: int
    ended: int | None
    parallel: bool
    errors: list[int] = field(default_factory=list)


def summary(run: Shape) -> Shape:
    """Return what a list tells of a run: its step that goes on, and how many it has behind it."""
    steps = [step for group in run.get("steps", ()) for step in group["steps"]]
    done = [step for step in steps if step["state"] == "STEP_SUCCESS" and step.get("stepType") != "Initial"]
    open_ = [step for step in steps if step["state"] in ("STEP_PROGRESS", "STEP_RETRY", "STEP_FAILED")]
    return {
        "run": run,
        "done": len(done),
        "now": name_of(open_[-1]) if open_ else "",
        "progress": next((step["progress"] for step in open_ if step.get("progress")), ""),
        "took": (run.get("workflowRunCompletedAt") or 0) - run["workflowRunCreatedAt"]
        if run.get("workflowRunCompletedAt")
        else None,
    }


def name_of(step: Shape) -> str:
    """Return what a step is called."""
    return str(step.get("stepName") or step.get("stepType") or "the next step")


def errors_of(step: Shape) -> list[Shape]:
    """Return the attempts of a step that failed, oldest first."""
    return [*step.get("failedAttempts", ()), *step.get("errors", ())]


def waterfall(run: Shape, now: int) -> Waterfall:
    """Return the steps of a run on one scale.

    Where it is not told when a step began, it is taken to be when what came before had ended.
    """
    begun = run["workflowRunCreatedAt"]
    spells = _spells(run, begun, now)
    ended = run.get("workflowRunCompletedAt") or max([now, *(one.ended or now for one in spells)])
    scale = WIDTH / max(1, ended - begun)
    bars = [_bar(one, begun, ended, scale) for one in spells]
    ticks = [(WIDTH * share / 4, duration((ended - begun) * share / 4) if share else "0") for share in range(5)]
    return Waterfall(bars, begun, ended, ticks)


def _spells(run: Shape, begun: int, now: int) -> list[_Spell]:
    found: list[_Spell] = []
    before = begun
    over = run.get("workflowRunCompletedAt")
    for group in run.get("steps", ()):
        parallel = group["type"] == "parallel"
        members = [_spell(step, before, over, now, parallel=parallel) for step in group["steps"]]
        members = [one for one in members if one.step.get("stepType") != "Initial"]
        found += members
        before = max([before, *(one.ended or now for one in members)])
    return found


def _spell(step: Shape, before: int, over: int | None, now: int, *, parallel: bool) -> _Spell:
    """Return from when to when a step went on."""
    at = step.get("createdAt", before)
    earlier, before = before, step.get("startedAt", before)
    errors = [error["time"] for error in errors_of(step)]
    goes_on = step["state"] in ("STEP_PROGRESS", "STEP_RETRY")
    if step.get("sleepFor") is not None or step.get("sleepUntil") is not None:
        until = step["sleepUntil"] if step.get("sleepUntil") is not None else at + step["sleepFor"]
        began = earlier if parallel else min(before, at)
        if parallel and not goes_on:
            until = at  # the result comes when the sleep is over; alone, it is written down when it begins
        return _Spell(step, began, None if goes_on and until > now else min(until, over or until), parallel, errors)
    if goes_on:
        return _Spell(step, before, None, parallel, errors)
    end = max(at, before) if step["state"] == "STEP_SUCCESS" else (over or max([at, before, *errors]))
    return _Spell(step, before, end, parallel, errors)


def _bar(spell: _Spell, begun: int, ended: int, scale: float) -> Bar:
    x = min(WIDTH - _LEAST, max(0.0, (spell.began - begun) * scale))
    width = max(_LEAST, ((spell.ended or ended) - spell.began) * scale)
    kind = _KINDS.get(spell.step.get("stepType", ""), spell.step.get("stepType", "") or "delivery")
    return Bar(
        name_of(spell.step),
        kind.lower(),
        spell.step["state"],
        spell.began,
        spell.ended,
        x,
        min(width, WIDTH - x),
        [min(WIDTH - 1, max(0.0, (at - begun) * scale)) for at in spell.errors],
        spell.parallel,
        spell.step,
        errors_of(spell.step),
    )
