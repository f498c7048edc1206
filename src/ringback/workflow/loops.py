"""Event loops for blocking frameworks: each is lent to one request at a time and used again by the next.

The connections of an async HTTP client belong to the event loop that made them; `asyncio.run` for every request would open
new ones each time. There are never more loops than requests were in hand at once.
"""

import asyncio
import atexit
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

Close = Callable[[], Coroutine[Any, Any, None]]


class Loops:
    """The event loops that are not in use."""

    def __init__(self) -> None:
        self._idle: deque[tuple[asyncio.Runner, set[Close]]] = deque()

    def wait_for(self, awaitable: Coroutine[Any, Any, T], close: Close) -> T:
        """Return the result of a coroutine.

        Args:
            awaitable: what to wait for.
            close: gives back what it leaves open; called on the same event loop before that is closed.
        """
        try:
            runner, closing = self._idle.pop()
        except IndexError:
            runner, closing = asyncio.Runner(), set()
        closing.add(close)
        try:
            return runner.run(awaitable, context=contextvars.copy_context())
        finally:
            self._idle.append((runner, closing))

    def close(self) -> None:
        """Close the event loops that are not in use."""
        while self._idle:
            runner, closing = self._idle.pop()
            for close in closing:
                with suppress(Exception):  # a connection that is gone already
                    runner.run(close())
            runner.close()


LOOPS = Loops()
atexit.register(LOOPS.close)
