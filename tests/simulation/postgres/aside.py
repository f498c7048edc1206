"""Statements that wait for a lock are set aside, and go on when the server lets them.

Which of several that wait for the same row has it first, the server leaves to the speed of their processes. So each of these
stands still until it can go on, and they go on one after the other, in the order in which they came to wait.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from simulation.postgres.backstage import Backstage
from simulation.postgres.session import Step

if TYPE_CHECKING:
    import asyncio

_LIMIT = 60.0
"""Seconds in which the server does something, or waits."""


class Aside:
    """Those who wait for a lock.

    Args:
        backstage: the server.
    """

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self._steps: list[Step] = []

    def __bool__(self) -> bool:
        return bool(self._steps)

    def __contains__(self, step: object) -> bool:
        return step in self._steps

    def run(self, step: Step) -> bool:
        """Let the server work on a statement until it is done, or waits for a lock and is set aside; tell whether it is done."""
        step.task = self._backstage.begin(getattr(step.session.real, step.how)(*step.values))
        return self._is_done(step, step.task)

    def give_up(self, step: Step) -> "asyncio.Task[object]":
        """Break a statement off; return what came of it, since the server may have been quicker."""
        self._steps.remove(step)
        assert step.task is not None
        self._backstage.cancel(step.session.real, step.task)
        return step.task

    def released(self) -> list[Step]:
        """Return the statements that wait no more."""
        done: list[Step] = []
        while step := self._first_that_can_go_on():
            self._steps.remove(step)
            self._backstage.let_go(step.session.real)
            assert step.task is not None
            if self._is_done(step, step.task):
                done.append(step)
        return done

    def _first_that_can_go_on(self) -> Step | None:
        blockers = self._backstage.blockers(map(_pid, self._steps)) if self._steps else {}
        return next((step for step in self._steps if not blockers[_pid(step)]), None)

    def _is_done(self, step: Step, task: "asyncio.Task[object]") -> bool:
        """Wait until a statement is done, or waits for a lock that somebody else holds and is set aside; tell whether it is done.

        A deadlock is waited for, too: until the server has broken it. Those set aside stand still, so that it gives up the
        statement that has closed the circle.
        """
        pid, end = _pid(step), self._backstage.time() + _LIMIT
        while True:
            self._backstage.work(task)
            if task.done():
                return True
            blockers = self._backstage.blockers([pid, *map(_pid, self._steps)])
            if blockers[pid] and not _is_deadlocked(pid, blockers) and self._backstage.hold(step.session.real):
                self._steps.append(step)
                return False
            if self._backstage.time() > end:
                raise TimeoutError("the server neither answers nor waits")


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
