"""Waiting for what others wait for, too."""

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def result_of(task: "asyncio.Future[T]") -> T:
    """Return what a task gives; whoever is canceled meanwhile leaves it to the others.

    Not by `asyncio.shield`, which since Python 3.14 reports an error that a canceled caller does not hear of as a fault of the
    event loop.

    Raises:
        Exception: the task's own.
    """
    await asyncio.wait({task})
    return task.result()
