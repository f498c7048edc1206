"""A disk that several brokers share: one transaction after the other, durable only after a sync that a crash may prevent."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ringback.broker.changes import Changes
from ringback.broker.stores.contract import Need, StoreUnavailable, Transaction
from ringback.broker.stores.memory import MemoryTransaction, Rows
from ringback.broker.stores.rows import TABLES
from simulation.process import Process

T = TypeVar("T")


@dataclass
class Job:
    """One job of one broker, and who waits for its answer."""

    store: "NodeStore"
    run: Callable[[Transaction], Any]
    answer: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """Answer with what the job returned or raised."""
        if self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)

    def refuse(self) -> None:
        """Answer that nothing can be written; whether anything was is left open."""
        self.error = StoreUnavailable("the disk is away")
        self.tell()


@dataclass
class Write:
    """A transaction that is written and not yet synced."""

    writer: "NodeStore"
    number: int
    batch: list[Job]
    opened: list[MemoryTransaction]

    @property
    def applied(self) -> list[Changes]:
        """What it changes, in order."""
        return [changes for tx in self.opened for changes in tx.applied]


@dataclass
class Disk:
    """The records, and the queue of those who want at them.

    Attributes:
        chance: how long a sync takes, and what a crash leaves.
        seen: how often what has happened.
        rows: the records; those of an open transaction among them.
        on_durable: called after each sync with the store that wrote, the number it had, what it wrote, and whether it hears
            of it.
        away: it cannot be reached.
        early, hasty: planted faults: callers are answered, attempts are handed over, before the sync.
    """

    chance: random.Random
    seen: Counter[str]
    rows: Rows = field(default_factory=lambda: {kind: {} for kind in TABLES})
    on_durable: Callable[..., None] = lambda *_, **__: None
    early: bool = False
    hasty: bool = False
    away: bool = False
    _queue: list[Job] = field(default_factory=list)
    _open: Write | None = None

    def store(self, *, shared: bool) -> "NodeStore":
        """Return a way to it for a broker."""
        return NodeStore(self, shared=shared)

    def is_idle(self) -> bool:
        """Whether everything that was written is durable."""
        return self._open is None

    def is_wanted_by(self, store: "NodeStore") -> bool:
        """Whether jobs of a broker wait or are being written."""
        return (self._open is not None and self._open.writer is store) or any(job.store is store for job in self._queue)

    def submit(self, job: Job) -> None:
        """Queue a job; those of one broker that are there together share a transaction."""
        if self.away and not job.store.cut_off:
            self.seen["a job was refused because the store was away"] += 1
            asyncio.get_running_loop().call_later(0.02, job.refuse)
            return
        self._queue.append(job)
        self.wake()

    def lose(self, store: "NodeStore") -> None:
        """A broker is gone: what it had not synced never was, or was and nobody heard of it."""
        self._queue = [job for job in self._queue if job.store is not store]
        if self._open is not None and self._open.writer is store:
            self._break_off(self._open)
            self.wake()

    def crash(self, seconds: float) -> None:
        """The store itself goes down for a while: whoever asks is refused, those in the middle of a commit know nothing."""
        self.away = True
        jobs = [job for job in self._queue if not job.store.cut_off]
        self._queue = [job for job in self._queue if job.store.cut_off]
        if self._open is not None:
            jobs += self._open.batch
            self._break_off(self._open)
        for job in jobs:
            job.store.hear(job.refuse)
        asyncio.get_running_loop().call_later(seconds, self._back)

    def wake(self) -> None:
        """Take up what can go on."""
        if self._open is None and not self.away:
            self._begin()

    def _back(self) -> None:
        self.away = False
        self.wake()

    def _break_off(self, write: Write) -> None:
        self._open = None
        kept = write.writer.shared and self.chance.random() < 0.5
        if write.applied:
            self.seen["a crash came between commit and answer" if kept else "a crash came before the sync"] += 1
        if kept:
            self.on_durable(write.writer, write.number, write.applied, heard=False)
            return
        for tx in reversed(write.opened):
            tx.undo()

    def _begin(self) -> None:
        ready = [job for job in self._queue if not job.store.cut_off]
        if not ready:
            return
        writer = ready[0].store
        batch = [job for job in ready if job.store is writer][:8]
        self._queue = [job for job in self._queue if job not in batch]
        self._open = write = Write(writer, writer.number(), batch, [])
        for job in batch:
            tx = MemoryTransaction(self.rows)
            try:
                job.result = job.run(tx)
                tx.finish()
            except Exception as error:
                tx.undo()
                job.error = error
            else:
                write.opened.append(tx)
        if self.early:
            writer.hear(*(job.tell for job in batch))
        if self.hasty:
            writer.hear(lambda: writer.take(write.applied))
        pause = self.chance.uniform(0.0001, 0.01) if write.applied else 0.0
        asyncio.get_running_loop().call_later(pause, self._synced, write)

    def _synced(self, write: Write) -> None:
        if self._open is not write:
            return  # lost
        self._open = None
        writer, applied = write.writer, write.applied
        if applied:
            self.on_durable(writer, write.number, applied)
            if not self.hasty:
                writer.hear(lambda: writer.take(applied))
        writer.hear(*(job.tell for job in write.batch))
        self.wake()


class NodeStore(Process):
    """One broker's way to the disk (see `Store`).

    Attributes:
        shared: others may work on the disk at the same time.
        tasks: what runs by itself.
    """

    def __init__(self, disk: Disk, *, shared: bool) -> None:
        super().__init__()
        self._disk = disk
        self.shared = shared
        self.take: Callable[[Sequence[Changes]], None] = lambda _: None
        self.tasks: tuple[asyncio.Task[None], ...] = ()

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
