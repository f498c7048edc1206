"""What runs by itself: one turn at a time, sleeping until something is due or somebody nudges."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ringback.broker.stores.contract import StoreUnavailable
from ringback.clock import Clock, Instant

_log = logging.getLogger("ringback.engine")

LONGEST_SLEEP = 30_000
"""Milliseconds after which a loop looks anyway, so that a missed nudge delays but never loses."""
_PAUSE_AFTER_ERROR = 1000


class Loop:
    """Repeats a turn.

    Args:
        name: for the log.
        tick: one turn; answers when the next one is due, None for no idea.
        clock: tells the time.
        longest: milliseconds after which it looks anyway.
    """

    def __init__(
        self, name: str, tick: Callable[[], Awaitable[Instant | None]], clock: Clock, longest: int = LONGEST_SLEEP
    ) -> None:
        self._name = name
        self._tick = tick
        self._clock = clock
        self._longest = longest
        self._changed = asyncio.Event()
        self._wanted: Instant | None = None

    def nudge(self, at: Instant = 0) -> None:
        """Make sure that a turn begins at `at`, or now; also while a turn is being taken."""
        if self._wanted is None or at < self._wanted:
            self._wanted = at
            self._changed.set()

    async def run(self) -> None:
        """Take turns until canceled."""
        while True:
            self._wanted = None
            try:
                due = await self._tick()
            except StoreUnavailable as error:
                _log.warning("%s: %s", self._name, error)
                due = self._clock() + _PAUSE_AFTER_ERROR
            except Exception:  # noqa: BLE001 - a fault of ours must not end what has to go on by itself
                _log.exception("%s: a turn broke off", self._name)
                due = self._clock() + _PAUSE_AFTER_ERROR
            await self._sleep(due)

    async def _sleep(self, due: Instant | None) -> None:
        """Sleep no longer than it looks now, whatever becomes of the clock: one that is set back must stop nothing."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._longest / 1000
        while True:
            self._changed.clear()
            left = latest - loop.time()
            for at in (due, self._wanted):
                if at is not None:
                    left = min(left, (at - self._clock()) / 1000)
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return
