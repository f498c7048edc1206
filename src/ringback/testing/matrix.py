"""The crash matrix: a run is made again and again, each time one thing goes wrong, and must come to the same end."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ringback.testing.blocking import TestBroker
from ringback.testing.broker import AsyncTestBroker, Stuck
from ringback.testing.disturbances import NONE, Disturbance, disturbances, never
from ringback.testing.places import NobodyThere
from ringback.testing.story import story

EndState = Callable[[], Any]
"""Reads what has to be the same whatever goes wrong; may be async."""
Scene = Callable[[TestBroker], EndState]
"""Makes a fresh world, starts a run in it, and returns what reads the end state."""
AsyncScene = Callable[[AsyncTestBroker], Awaitable[EndState]]

MOST_RUNS = 500
"""Runs of a crash matrix unless more are asked for."""

_MOST_TOLD = 3


class CrashMatrixFailed(AssertionError):
    """A run came to another end when something went wrong; the text tells its story.

    Attributes:
        report: all runs.
    """

    def __init__(self, report: "Report") -> None:
        super().__init__(str(report))
        self.report = report


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run with one disturbance ended.

    Attributes:
        disturbance: what went wrong.
        states: how the runs of each workflow ended; parallel children may have been started in any order.
        end: what the user's end state was; None when it was never reached.
        stuck: why it was not.
        story: what happened.
        expected: what it had to be like; None for the run in which nothing went wrong.
    """

    disturbance: Disturbance
    states: tuple[str, ...]
    end: Any
    stuck: str
    story: str
    waited: dict[str, int] = field(default_factory=dict)
    expected: "Ending | None" = None

    @property
    def differs(self) -> bool:
        """Whether it is not what it had to be."""
        wanted = self.expected
        return bool(self.stuck) or (wanted is not None and (self.states, self.end) != (wanted.states, wanted.end))


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of a crash matrix; as text it tells those that differed.

    Attributes:
        calm: the run in which nothing went wrong.
        endings: the others.
        left_out: how many more there could have been.
    """

    calm: Ending
    endings: Sequence[Ending]
    left_out: int = 0

    @property
    def differing(self) -> list[Ending]:
        """Those that came to another end."""
        return [one for one in self.endings if one.differs]

    def __str__(self) -> str:
        wrong = self.differing
        more = f" ({self.left_out} more were left out: raise `most`)" if self.left_out else ""
        if not wrong:
            text = f"{len(self.endings)} runs, each with something going wrong, came to the same end"
            return f"{text}{more}: {self.calm.end!r}"
        parts = [f"{len(wrong)} of {len(self.endings)} runs{more} came to another end when something went wrong."]
        parts += [_told(one) for one in wrong[:_MOST_TOLD]]
        if len(wrong) > _MOST_TOLD:
            parts.append("Others that differ:")
            parts += [f"  - {one.disturbance.words}" for one in wrong[_MOST_TOLD:]]
        return "\n".join(parts)


def crash_matrix(scene: Scene, *, most: int = MOST_RUNS) -> Report:
    """Run a scene undisturbed, then once for everything that can go wrong with it, and compare the end states.

    Args:
        scene: gets a `TestBroker` of its own for each run; makes a fresh world, starts a run in it, and returns a function
            that reads the end state. That must not hold times or random ids: it is compared with `==`.
        most: runs at most; of more, some are chosen evenly, and the report says so.

    Raises:
        CrashMatrixFailed: a run came to another end, or to none.
    """

    async def play(broker: AsyncTestBroker) -> EndState:
        return await asyncio.to_thread(scene, TestBroker(awaitable=broker, loop=asyncio.get_running_loop()))

    return asyncio.run(_matrix(play, most))


async def async_crash_matrix(scene: AsyncScene, *, most: int = MOST_RUNS) -> Report:
    """Do what `crash_matrix` does, with a scene that is async and gets an `AsyncTestBroker`."""
    return await _matrix(scene, most)


async def _matrix(scene: AsyncScene, most: int) -> Report:
    calm, broker = await _play(scene, NONE)
    if calm.stuck:
        raise CrashMatrixFailed(Report(calm, [calm]))
    endings = []
    possible = disturbances(broker.delivered, list(calm.waited))
    chosen = [possible[index * len(possible) // most] for index in range(most)] if len(possible) > most else possible
    for disturbance in chosen:
        expected = calm
        if disturbance.kind == "event after the time-out":
            expected, _ = await _play(scene, never(disturbance.event))
        ending, _ = await _play(scene, disturbance, expected, calm.waited)
        endings.append(ending)
    report = Report(calm, endings, len(possible) - len(chosen))
    if report.differing:
        raise CrashMatrixFailed(report)
    return report


async def _play(
    scene: AsyncScene, disturbance: Disturbance, expected: Ending | None = None, waited: dict[str, int] | None = None
) -> tuple[Ending, AsyncTestBroker]:
    async with AsyncTestBroker(disturbance=disturbance) as broker:
        broker.planned.early = waited or {}
        end_state = await scene(broker)
        end, stuck = None, ""
        try:
            await broker.run_to_end()
            end = await _read(end_state)
        except NobodyThere:
            raise
        except Stuck as error:
            stuck = str(error)
        states = tuple(sorted(f"{run.url.rpartition('/')[2]} {run.state}" for run in broker.runs))
        told = story(broker.delivered)
        return Ending(disturbance, states, end, stuck, told, broker.planned.waited, expected), broker


async def _read(end_state: EndState) -> Any:
    if inspect.iscoroutinefunction(end_state):
        return await cast("Awaitable[Any]", end_state())
    return await asyncio.to_thread(end_state)


def _told(one: Ending) -> str:
    lines = [f"\nWhen {one.disturbance.words}:"]
    if one.stuck:
        lines.append(f"  it comes to no end: {one.stuck}")
    elif one.expected is not None:
        if one.end != one.expected.end:
            lines += [f"  end state  {one.end!r}", f"  expected   {one.expected.end!r}"]
        if one.states != one.expected.states:
            lines.append(f"  the runs ended {', '.join(one.states)}, expected {', '.join(one.expected.states)}")
    return "\n".join([*lines, "What happened:", one.story])
