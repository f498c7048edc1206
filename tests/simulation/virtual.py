"""Virtual time: an event loop whose clock jumps to whatever is due next, so that hours pass in milliseconds, always alike."""

import asyncio
import heapq
import itertools
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from support.inprocess import START

AT_ONCE = 2
"""How many a step of a bulk cancel or of a removal takes; so few that histories see many steps."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on which nothing waits."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def time(self) -> float:
        return self.at

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not self._ready:  # type: ignore[attr-defined]
            if not scheduled and not self._stopping:  # type: ignore[attr-defined]
                raise RuntimeError("everything waits for something that never comes")
            if scheduled:
                self.at = max(self.at, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def now() -> int:
    """Return the true time, in milliseconds since the epoch; clocks of brokers are off by some."""
    return START + int(asyncio.get_running_loop().time() * 1000)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in virtual time; all that goes on beside it ends with it."""
    loop = VirtualLoop()
    parts = ("engine.membership", "engine.canceler", "operations.desk")
    with ExitStack() as patched, asyncio.Runner(loop_factory=lambda: loop) as runner:
        for part in parts:
            patched.enter_context(patch(f"ringback.broker.{part}.elapsed", loop.time))
        numbers = itertools.count(1)
        again = "ringback.broker.operations.runs.again.new_run_id"
        patched.enter_context(patch(again, lambda: f"wfr_again_{next(numbers)}"))
        for most in ("bulk.AT_ONCE", "removal.AT_ONCE", "removal.RUNS_AT_ONCE"):
            patched.enter_context(patch(f"ringback.broker.operations.{most}", AT_ONCE))
        runner.run(_to_the_end(main))


async def _to_the_end(main: Coroutine[Any, Any, None]) -> None:
    """Break off what is left when it is over, and what begins because something else ends: the next attempt at a host."""
    await main
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left)
