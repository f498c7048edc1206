"""Following the code of a workflow through its journal, up to the one thing this delivery is for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ringback.wire.steps import Step
from ringback.workflow.errors import NotSerializable, StepFailed
from ringback.workflow.journal import Journal
from ringback.workflow.pending import PendingSteps
from ringback.workflow.replay import Discard, Execute, Plan, Replayed, Skipped, replay
from ringback.workflow.steps import Asked, Cancel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finish:
    """The code returned this."""

    result: Any


@dataclass(frozen=True, slots=True)
class Perform:
    """Do this step and submit its result."""

    asked: Asked[Any]
    number: int
    concurrent: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Submit the plans of these steps."""

    asked: Sequence[Asked[Any]]
    first: int


@dataclass(frozen=True, slots=True)
class Canceled:
    """The code canceled its own run."""


Purpose = Finish | Perform | Announce | Canceled | Discard


async def follow(
    journal: Journal,
    steps: PendingSteps,
    code: Coroutine[Any, Any, Any],
    act: Callable[[Purpose], Awaitable[T]],
    arrived: Callable[[str, Any], Awaitable[None]],
) -> T:
    """Run the code until it is clear what this delivery is for, and do that with `act`.

    `arrived` is told the name and the result of the step that caused this delivery.

    The code stays where it is while `act` runs, so that what it holds open can be used by a step's function; then
    it is unwound.

    Raises:
        StepMismatch, Misuse: the code does not fit the journal, or does what no workflow can.
        Exception: whatever the code or `act` raises.
    """
    task = steps.follow(code)
    try:
        return await act(await _purpose(journal, steps, task, arrived))
    finally:
        await steps.end(task)


async def _purpose(
    journal: Journal,
    steps: PendingSteps,
    code: "asyncio.Task[Any]",
    arrived: Callable[[str, Any], Awaitable[None]],
) -> Purpose:
    while True:
        group = await steps.group(code)
        if steps.arrived is not None:
            await arrived(*steps.arrived)
            steps.arrived = None
        if not group:
            break
        asked = [step for step, _ in group]
        if any(isinstance(step, Cancel) for step in asked):
            return Canceled()
        verdict = replay(journal, steps.number, [step.wish() for step in asked])
        match verdict:
            case Replayed(results):
                steps.number += len(results)
                await _hand_over(group, results, journal.last, arrived)
            case Skipped():
                group[0][1].set_result(False)
            case Execute(index, at, concurrent):
                return Perform(asked[index], at, concurrent)
            case Plan(first):
                return Announce(asked, first)
            case Discard():
                await _tell_of_member(asked, steps.number, journal.last, arrived)
                return verdict
    return _ended(steps, code)


def _ended(steps: PendingSteps, code: "asyncio.Task[Any]") -> Purpose:
    if steps.executed is not None:
        return Perform(steps.executed, steps.number, 1)
    result = code.result()
    steps.check_all_awaited()
    return Finish(result)


async def _tell_of_member(
    asked: Sequence[Asked[Any]],
    first: int,
    last: Step | None,
    arrived: Callable[[str, Any], Awaitable[None]],
) -> None:
    """Tell of the result that brought this delivery, though its group is not complete and the code gets it later."""
    if last is not None and first <= last.id < first + len(asked):
        with suppress(StepFailed, NotSerializable):  # the code will meet it
            await arrived(last.name, asked[last.id - first].read(last))


async def _hand_over(
    group: "Sequence[tuple[Asked[Any], asyncio.Future[Any]]]",
    results: Sequence[Step],
    last: Step | None,
    arrived: Callable[[str, Any], Awaitable[None]],
) -> None:
    """Give the code its results, all before anybody else is told: what they lead to belongs together."""
    for (asked, future), result in zip(group, results, strict=True):
        try:
            future.set_result(asked.read(result))
        except StepFailed as error:
            future.set_exception(error)
    for (asked, future), result in zip(group, results, strict=True):
        if result is last and not future.exception():
            await arrived(asked.name, future.result())
