"""Jobs that wait for a writer."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ringback.broker.stores.contract import Need, Transaction


class Job(NamedTuple):
    """Something to run in a transaction, and who waits for its answer."""

    run: Callable[[Transaction], Any]
    needs: Sequence[Need]
    future: "asyncio.Future[Any]"


class Queue:
    """Jobs for some writers; the ones that arrive while all are busy are taken together.

    Args:
        writers: how many take from it.
        most: how many jobs one takes at once.
    """

    def __init__(self, writers: int, most: int) -> None:
        self._writers, self._most = writers, most
        self._jobs: deque[Job] = deque()
        self._free: list[asyncio.Event] = []
        self.idle = asyncio.Event()

    def add(self, job: Job) -> None:
        """Put a job in; a writer that is free takes it after whatever the loop does right now."""
        self._jobs.append(job)
        self.idle.clear()
        if self._free:
            self._free.pop().set()

    async def take(self) -> list[Job]:
        """Wait for jobs and return those that are still wanted."""
        while not self._jobs:
            arrived = asyncio.Event()
            self._free.append(arrived)
            if len(self._free) == self._writers:
                self.idle.set()
            await arrived.wait()
        batch = [self._jobs.popleft() for _ in range(min(self._most, len(self._jobs)))]
        return [job for job in batch if not job.future.cancelled()]
