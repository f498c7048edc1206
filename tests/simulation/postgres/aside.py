"""Statements that wait for a lock are set aside, and go on when the server lets them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from simulation.postgres.backstage import Backstage
from simulation.postgres.session import Step

_LIMIT = 60.0
"""Seconds in which the server does something, or waits."""


class Aside:
    """Those who wait for a lock.

    Args:
        backstage: the server.
    """

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self._steps: dict[Step, Sequence[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._steps)

    def __contains__(self, step: object) -> bool:
        return step in self._steps

    def run(self, step: Step) -> bool:
        """Let the server work on a statement until it is done, or waits for a lock and is set aside; tell whether it is done."""
        step.task = self._backstage.begin(getattr(step.session.real, step.how)(*step.values))
        return not self._settle([step])

    def give_up(self, step: Step) -> "asyncio.Task[object]":
        """Break a statement off; return what came of it, since the server may have been quicker."""
        del self._steps[step]
        assert step.task is not None
        self._backstage.cancel(step.session.real, step.task)
        return step.task

    def released(self) -> list[Step]:
        """Return the statements that wait no more."""
        blockers = self._backstage.blockers(_pid(step) for step in self._steps)
        moved = [step for step, before in self._steps.items() if blockers[_pid(step)] != before]
        waiting = self._settle(moved)
        done = [step for step in moved if step not in waiting]
        for step in done:
            del self._steps[step]
        return done

    def _settle(self, steps: list[Step]) -> list[Step]:
        """Wait until each of these is done, or waits for a lock that somebody else holds; set those aside, and return them.

        A deadlock is waited for, too: until the server has broken it.
        """
        moving, waiting = {step: step.task for step in steps if step.task is not None}, []
        end = self._backstage.time() + _LIMIT
        while moving:
            self._backstage.work(moving.values())
            moving = {step: task for step, task in moving.items() if not task.done()}
            if not moving:
                break
            blockers = self._backstage.blockers(_pid(step) for step in {**self._steps, **moving})
            for step in [*moving]:
                if blockers[_pid(step)] and not _is_deadlocked(_pid(step), blockers):
                    del moving[step]
                    self._steps[step] = blockers[_pid(step)]
                    waiting.append(step)
            if self._backstage.time() > end:
                raise TimeoutError("the server neither answers nor waits")
        return waiting


def _pid(step: Step) -> int:
    return int(step.session.real.get_server_pid())


def _is_deadlocked(pid: int, blockers: Mapping[int, Iterable[int]]) -> bool:
    """Whether a session waits, in the end, for itself."""
    reached: set[int] = set()
    ahead = [*blockers[pid]]
    while ahead:
        one = ahead.pop()
        if one not in reached:
            reached.add(one)
            ahead += blockers.get(one, ())
    return pid in reached
