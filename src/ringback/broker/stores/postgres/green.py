"""Ordinary functions that wait for the network without a thread: where one has to wait, the event loop goes on with others."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


async def run(function: Callable[[], T]) -> T:
    """Run a function on the event loop's thread; `wait` inside it gives way to the loop."""
    running = greenlet(function)
    outcome: Any = running.switch()
    while not running.dead:
        try:
            answer = await outcome
        except BaseException as error:  # noqa: BLE001 - it belongs into the function, at the place that waits
            outcome = running.throw(error)
        else:
            outcome = running.switch(answer)
    return outcome  # type: ignore[no-any-return]


def wait(awaitable: Awaitable[T]) -> T:
    """Return what an awaitable brings; only inside a function that `run` runs."""
    return getcurrent().parent.switch(awaitable)  # type: ignore[no-any-return]
