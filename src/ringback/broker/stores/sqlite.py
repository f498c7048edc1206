"""The embedded store: one SQLite file in WAL mode, every acknowledgement on disk, one commit for all who wait."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw

from ringback.broker.changes import Changes
from ringback.broker.records import Record
from ringback.broker.stores.answer import Answer
from ringback.broker.stores.buffer import Known
from ringback.broker.stores.committer import Committer
from ringback.broker.stores.contract import Need, StoreUnavailable, Transaction
from ringback.broker.stores.deferred import DeferredIndex
from ringback.broker.stores.recent import Recent
from ringback.broker.stores.rows import CODECS, Codec
from ringback.broker.stores.sqlite_file import connect, opened
from ringback.broker.stores.sqlite_transaction import SqliteTransaction

T = TypeVar("T")

_JOBS_AT_ONCE = 256
"""Most jobs in one transaction: bounds how long the loop is kept from other work."""
_READERS = 2


class _Job(NamedTuple):
    run: Callable[[Transaction], Any]
    future: "asyncio.Future[Any]"


class SqliteStore:
    """Records in one file, held by one process at a time.

    Jobs run on the event loop, where they only touch SQLite's page cache; the commit, which waits for the disk, runs
    on a thread of its own, and what arrives meanwhile is the next transaction.

    Args:
        path: the database file; its folder must exist.
        codecs: turn records into rows; others than the plain ones seal them.
    """

    shared = False

    def __init__(self, path: Path, codecs: Mapping[type[Record], Codec] = CODECS) -> None:
        self._path = path
        self._codecs = codecs
        self._held = ExitStack()
        self._jobs: list[_Job] = []
        self._known = Known()
        self._recent = Recent()
        self._busy = False
        self._take: Callable[[Sequence[Changes]], None] = lambda _: None
        self._reader = ThreadPoolExecutor(_READERS, "ringback-read")
        self._idle_readers: list[apsw.Connection] = []
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Open the file, make or check its schema.

        Raises:
            StoreUnavailable: the file cannot be opened, is held by another process, or comes from a newer release.
        """
        self._loop = asyncio.get_running_loop()
        self._connection = self._held.enter_context(opened(self._path, self._codecs)).connection
        try:
            self._index = DeferredIndex(self._connection)
        except apsw.Error as error:
            self._held.close()
            raise StoreUnavailable(f"cannot open the database {self._path}: {error}") from error
        self._committer = Committer(partial(self._connection.execute, "COMMIT"))
        self._idle_readers = [connect(self._path) for _ in range(_READERS)]

    async def close(self) -> None:
        """Wait for the jobs that were accepted, then close."""
        await self._idle.wait()
        self._committer.close()
        self._reader.shutdown()
        for reader in self._idle_readers:
            reader.close()
        self._held.close()

    def on_handed(self, take: Callable[[Sequence[Changes]], None]) -> None:
        """See `Store.on_handed`."""
        self._take = take

    def on_woken(self, wake: Callable[[], None]) -> None:
        """See `Store.on_woken`; nobody else works on this file."""

    def wake_others(self) -> None:
        """See `Store.wake_others`."""

    def write(
        self,
        job: Callable[[Transaction], T],
        needs: Sequence[Need] = (),  # noqa: ARG002 - everything is near
        *,
        apart: bool = False,  # noqa: ARG002 - one transaction at a time
    ) -> Awaitable[T]:
        """See `Store.write`."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.append(_Job(job, future))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._turn)
        return future

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        """See `Store.read`."""
        return self._loop.run_in_executor(self._reader, self._read, job)

    def _read(self, job: Callable[[Transaction], T]) -> T:
        connection = self._idle_readers.pop()
        try:
            connection.execute("BEGIN")  # one snapshot for all reads of the job
            return job(SqliteTransaction(connection, self._known, self._codecs))
        finally:
            connection.execute("ROLLBACK")
            self._idle_readers.append(connection)

    def _turn(self) -> None:
        batch, self._jobs = self._jobs[:_JOBS_AT_ONCE], self._jobs[_JOBS_AT_ONCE:]
        batch = [job for job in batch if not job.future.cancelled()]
        if not batch:
            self._next()
            return
        self._run(batch)

    def _run(self, batch: list[_Job]) -> None:
        """Run the jobs in one transaction and hand its commit to the thread."""
        tx = SqliteTransaction(self._connection, self._known, self._codecs, self._recent, self._index)
        answers: list[Answer] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                applied = len(tx.applied)
                try:
                    answers.append(Answer(job.future, job.run(tx)))
                except Exception as error:
                    if len(tx.applied) > applied:
                        raise
                    answers.append(Answer(job.future, error=error))
            tx.finish()
            tx.flush()
            if tx.applied:
                self._index.write()
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to one of the jobs
            self._give_up(batch, error)
            return
        if not tx.applied:
            self._connection.execute("ROLLBACK")
            self._settle(tx, answers)
            return
        self._committer.commit(lambda error: self._committed(error, batch, tx, answers))

    def _committed(
        self,
        error: BaseException | None,
        batch: list[_Job],
        tx: SqliteTransaction,
        answers: list[Answer],
    ) -> None:
        if error is not None:
            self._give_up(batch, error)
            return
        self._settle(tx, answers)

    def _settle(self, tx: SqliteTransaction, answers: list[Answer]) -> None:
        self._known.learn(tx.noted)
        self._recent.learn(tx.written, tx.large)
        self._index.committed()
        self._take(tx.applied)
        for answer in answers:
            answer.tell()
        self._next()

    def _give_up(self, batch: list[_Job], error: BaseException) -> None:
        """Roll back; one job alone is answered with the error, several are run again one by one."""
        cause = _cause(self._connection, error)
        self._index.rolled_back()
        self._recent = Recent()  # after an error of the disk, only the disk knows what stands on it
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        open_jobs = [job for job in batch if not job.future.done()]
        if len(open_jobs) > 1 and not isinstance(error, apsw.Error):
            self._jobs[:0] = open_jobs[1:]
            self._run(open_jobs[:1])
            return
        if isinstance(error, apsw.Error):
            error = StoreUnavailable(f"the database cannot be written: {error} ({cause})", cause)
        for job in open_jobs:
            _fail(job.future, error)
        self._next()

    def _next(self) -> None:
        if self._jobs:
            self._loop.call_soon(self._turn)
        else:
            self._busy = False
            self._idle.set()


def _cause(connection: apsw.Connection, error: BaseException) -> str:
    """Return what the system said; SQLite itself only speaks of an I/O error."""
    if isinstance(error, apsw.IOError) and connection.system_errno:
        return os.strerror(connection.system_errno)
    return str(error)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
