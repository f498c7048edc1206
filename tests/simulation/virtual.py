"""Virtual time: an event loop whose clock jumps to whatever is due next, so that hours pass in milliseconds, always alike."""

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any
from unittest.mock import patch


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


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    places = ("ringback.broker.engine.membership.elapsed", "ringback.broker.operations.desk.elapsed")
    with patch(places[0], loop.time), patch(places[1], loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)
