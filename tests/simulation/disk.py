"""A disk that several brokers share: one transaction after the other, durable only after a sync that a crash may prevent."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ringback.broker.changes import Changes
from ringback.broker.records import Node
from ringback.broker.stores.contract import Need, Transaction
from ringback.broker.stores.memory import MemoryTransaction, Rows
from ringback.broker.stores.rows import TABLES

T = TypeVar("T")


@dataclass
class Job:
    """One job of one broker, and who waits for its answer."""

    store: "NodeStore"
    run: Callable[[Transaction], Any]
    answer: "asyncio.Future[Any]"


@dataclass
class Disk:
    """The records, and the queue of those who want at them.

    Attributes:
        chance: how long a sync takes.
        rows: the records; those of an open transaction among them.
        on_durable: called after each sync with the store that wrote.
        early: a planted fault: acknowledge before the sync.
    """

    chance: random.Random
    rows: Rows = field(default_factory=lambda: {kind: {} for kind in TABLES})
    on_durable: "Callable[[NodeStore], None]" = lambda _: None
    early: bool = False
    _queue: list[Job] = field(default_factory=list)
    _open: list[MemoryTransaction] = field(default_factory=list)
    _writer: "NodeStore | None" = None

    def is_idle(self) -> bool:
        """Whether everything that was written is durable."""
        return self._writer is None

    def is_wanted_by(self, store: "NodeStore") -> bool:
        """Whether jobs of a broker wait or are being written."""
        return self._writer is store or any(job.store is store for job in self._queue)

    def submit(self, job: Job) -> None:
        """Queue a job; those of one broker that are there together share a transaction."""
        self._queue.append(job)
        if self._writer is None:
            self._begin()

    def lose(self, store: "NodeStore") -> None:
        """A broker is gone: what it had not synced never was."""
        self._queue = [job for job in self._queue if job.store is not store]
        if self._writer is store:
            for tx in reversed(self._open):
                tx.undo()
            self._writer = None
            self.wake()

    def wake(self) -> None:
        """Take up what can go on."""
        if self._writer is None:
            self._begin()

    def _begin(self) -> None:
        ready = [job for job in self._queue if not job.store.cut_off]
        if not ready:
            return
        self._writer = writer = ready[0].store
        batch = [job for job in ready if job.store is writer][:8]
        self._queue = [job for job in self._queue if job not in batch]
        self._open, done = [], []
        for job in batch:
            tx = MemoryTransaction(self.rows)
            try:
                result = job.run(tx)
                tx.finish()
            except Exception as error:
                tx.undo()
                done.append((job, None, error))
            else:
                self._open.append(tx)
                done.append((job, result, None))
        if self.early:
            _answer(done)
        applied = [changes for tx in self._open for changes in tx.applied]
        pause = self.chance.uniform(0.0001, 0.01) if applied else 0.0
        asyncio.get_running_loop().call_later(pause, self._synced, writer, self._open, applied, done)

    def _synced(
        self,
        writer: "NodeStore",
        opened: list[MemoryTransaction],
        applied: list[Changes],
        done: list[tuple[Job, Any, Exception | None]],
    ) -> None:
        if self._open is not opened or self._writer is not writer:
            return  # lost
        self._writer, self._open = None, []
        if any(type(record) is not Node for changes in applied for record in (*changes.put, *changes.drop)):
            self.on_durable(writer)
        if applied:
            writer.take(applied)
        _answer(done)
        self.wake()


def _answer(done: list[tuple[Job, Any, Exception | None]]) -> None:
    for job, result, error in done:
        if job.answer.done():
            continue
        if error is not None:
            job.answer.set_exception(error)
        else:
            job.answer.set_result(result)


class NodeStore:
    """One broker's way to the disk (see `Store`).

    Attributes:
        cut_off: the way is blocked: jobs wait.
        gone: the process is no more: nothing is answered.
        number: tells the number the broker's leases carry.
    """

    shared = True

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.cut_off = self.gone = False
        self.number: Callable[[], int] = lambda: 0
        self.take: Callable[[Sequence[Changes]], None] = lambda _: None

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Nothing to close."""

    def on_handed(self, take: Callable[[Sequence[Changes]], None]) -> None:
        self.take = take

    def on_woken(self, wake: Callable[[], None]) -> None:
        """Nobody wakes: every broker looks for itself once a second."""

    def wake_others(self) -> None:
        """See `on_woken`."""

    def write(
        self, job: Callable[[Transaction], T], needs: Sequence[Need] = (), *, apart: bool = False
    ) -> Awaitable[T]:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self.gone:
            self._disk.submit(Job(self, job, answer))
        return answer

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        return self.write(job)
