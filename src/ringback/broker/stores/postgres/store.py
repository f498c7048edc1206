"""The store for many nodes: one PostgreSQL database, any number of brokers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Record
from ringback.broker.stores.answer import Answer
from ringback.broker.stores.buffer import Known
from ringback.broker.stores.contract import Need, StoreUnavailable, Transaction
from ringback.broker.stores.postgres import green, schema
from ringback.broker.stores.postgres.bell import CHANNEL, Bell
from ringback.broker.stores.postgres.connections import LOST, connect, end, told
from ringback.broker.stores.postgres.queue import Job, Queue
from ringback.broker.stores.postgres.transaction import PostgresTransaction, Stale
from ringback.broker.stores.rows import CODECS, Codec

T = TypeVar("T")

_log = logging.getLogger("ringback.postgres")

_JOBS_AT_ONCE = 256
"""Most jobs in one transaction: bounds how long its locks are held."""
_WRITERS = 3
_APART = 3
_READERS = 2
_TRIES = 8
_OWN_AT_MOST = 20_000
"""Most deliveries that are remembered; beyond that they are read."""
_RECONNECT_SECONDS = 3.0
"""How long jobs wait for a server that is being started again before they are refused."""
_IN_THE_WAY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
)
"""What other brokers can hold a transaction up with."""
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Broken(Exception):
    """A job raised after it had written: its transaction cannot be kept."""


class PostgresStore:
    """Records in a database that several brokers share.

    Jobs run on the event loop. Those that have arrived when a writer is free share its transaction; what they read is
    locked, so that jobs of other brokers on the same records come before or after them. Writers work side by side.

    Args:
        url: `postgresql://` address.
        timeout_ms: after how long a silent node is taken for dead.
        codecs: turn records into rows; others than the plain ones seal them.
    """

    shared = True

    def __init__(self, url: str, timeout_ms: int, codecs: Mapping[type[Record], Codec] = CODECS) -> None:
        self._url = url
        self._codecs = codecs
        self._timeout_ms = timeout_ms
        self._together = Queue(_WRITERS, _JOBS_AT_ONCE)
        self._apart = Queue(_APART, 1)
        self._own: dict[int, Delivery] = {}
        self._known = Known()
        self._workers: list[asyncio.Task[None]] = []
        self._readers: asyncio.Queue[Any] = asyncio.Queue()
        self._take: Callable[[Sequence[Changes]], None] = lambda _: None
        self._bell = Bell(self, lambda: connect(url, timeout_ms))

    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            StoreUnavailable: the server cannot be reached, or the schema is too new.
        """
        self._loop = asyncio.get_running_loop()
        await schema.migrate(self._url, self._timeout_ms)
        for _ in range(_READERS):
            self._readers.put_nowait(None)
        queues = [self._together] * _WRITERS + [self._apart] * _APART
        self._workers = [asyncio.create_task(self._work(queue)) for queue in queues]
        await self._bell.open()

    async def close(self) -> None:
        """Finish what was accepted and close."""
        await self._bell.close()
        for queue in (self._together, self._apart):
            await queue.idle.wait()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for _ in range(_READERS):
            await end(await self._readers.get())

    def on_handed(self, take: Callable[[Sequence[Changes]], None]) -> None:
        """See `Store.on_handed`."""
        self._take = take
        self._bell.take = take

    def on_woken(self, wake: Callable[[], None]) -> None:
        """See `Store.on_woken`."""
        self._bell.wake = wake

    def wake_others(self) -> None:
        """See `Store.wake_others`."""
        self._bell.ring()

    def write(
        self, job: Callable[[Transaction], T], needs: Sequence[Need] = (), *, apart: bool = False
    ) -> Awaitable[T]:
        """See `Store.write`."""
        future: asyncio.Future[T] = self._loop.create_future()
        (self._apart if apart else self._together).add(Job(job, needs, future))
        return future

    async def read(self, job: Callable[[Transaction], T]) -> T:
        """See `Store.read`."""
        connection = await self._readers.get()
        try:
            for last in (False, True):
                try:
                    connection = connection or await self._connect()
                    return await _read(connection, self._known, self._codecs, job)
                except LOST as error:
                    await end(connection)
                    connection = None
                    if last:
                        raise StoreUnavailable(f"the database is away: {told(error)}") from error
        finally:
            self._readers.put_nowait(connection)
        raise AssertionError

    async def _work(self, queue: Queue) -> None:
        """One writer: takes what has arrived, runs it as one transaction, again and again."""
        connection: asyncpg.Connection[Any] | None = None
        try:
            while True:
                connection = await self._serve(connection, await queue.take())
        finally:
            await end(connection)

    async def _serve(self, connection: Any, batch: list[Job]) -> Any:
        """Run a batch; return the connection, or None if it is lost."""
        try:
            if connection is None or connection.is_closed():
                connection = await self._connect()
            await self._run(connection, batch)
        except StoreUnavailable as error:
            _fail(batch, error)
        except LOST as error:
            _fail(batch, StoreUnavailable(f"the database is away: {told(error)}"))
            await end(connection)
            return None
        except Exception as error:  # noqa: BLE001 - those who wait must be answered whatever it is
            _log.exception("a batch of jobs broke off")
            _fail(batch, error)
            await end(connection)
            return None
        return connection

    async def _run(self, connection: Any, batch: list[Job]) -> None:
        """Run jobs as one transaction; what other brokers hold them up with is tried again, what one of them broke one by one."""
        needs = [need for job in batch for need in job.needs]
        reason: BaseException
        own: dict[int, Delivery] | None = self._own
        for _ in range(_TRIES):
            tx = PostgresTransaction(connection, self._known, own=own, codecs=self._codecs)
            try:
                answers = await green.run(lambda tx=tx, needs=needs: self._run_jobs(tx, batch, needs))  # type: ignore[misc]
                if tx.begun:
                    await connection.execute("COMMIT" if tx.applied else "ROLLBACK")
            except (Stale, asyncpg.DivisionByZeroError) as error:
                await connection.execute("ROLLBACK")
                own, reason = None, error
            except _IN_THE_WAY as error:
                await connection.execute("ROLLBACK")
                needs = [*needs, *tx.asked]  # known now: taken in the right order the next time
                reason = error
            except (_Broken, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if connection.is_closed() or isinstance(error, LOST):
                    raise
                await connection.execute("ROLLBACK")
                await self._one_by_one(connection, batch, error)
                return
            else:
                self._settle(tx, answers)
                return
        raise StoreUnavailable(f"the database is too busy: {told(reason)}")

    def _run_jobs(self, tx: PostgresTransaction, batch: list[Job], needs: Sequence[Need]) -> list[Answer]:
        """Run jobs one after the other, up to the write of what they gathered."""
        if needs:
            tx.load(needs)
        answers: list[Answer] = []
        for job in batch:
            applied = len(tx.applied)
            try:
                answers.append(Answer(job.future, job.run(tx)))
            except (Stale, asyncpg.PostgresError, *LOST):
                raise  # not the job's own
            except Exception as error:
                if len(tx.applied) > applied:
                    raise _Broken from error
                answers.append(Answer(job.future, error=error))
        try:
            tx.finish()
        except (Stale, asyncpg.PostgresError, *LOST):
            raise
        except Exception as error:
            raise _Broken from error
        told_ = [record for changes in tx.applied for record in changes.put if self._bell.is_told(record)]
        tx.flush(last=not told_)
        for record in told_:
            tx.tell(CHANNEL, self._bell.notice(record))
        return answers

    async def _one_by_one(self, connection: Any, batch: list[Job], error: BaseException) -> None:
        open_jobs = [job for job in batch if not job.future.done()]
        if len(open_jobs) > 1:
            for job in open_jobs:
                await self._run(connection, [job])
            return
        cause = error.__cause__ if isinstance(error, _Broken) else None
        _fail(open_jobs, cause or StoreUnavailable(f"the database refused: {told(error)}"))

    def _settle(self, tx: PostgresTransaction, answers: list[Answer]) -> None:
        self._note_own(tx.applied)
        self._known.learn(tx.noted)
        self._take(tx.applied)
        for answer in answers:
            answer.tell()

    def _note_own(self, applied: list[Changes]) -> None:
        """Remember the deliveries that are leased to this broker from now on: settling them needs no read."""
        own = self._own
        for changes in applied:
            for record in (*changes.drop, *changes.put):
                if type(record) is Delivery:
                    own.pop(record.seq, None)
            for handed in changes.handed:
                own[handed.message.seq] = handed.delivery
        if len(own) > _OWN_AT_MOST:
            own.clear()

    async def _connect(self) -> Any:
        """Return a new connection; a server that is being started again is given a moment."""
        end = self._loop.time() + _RECONNECT_SECONDS
        while True:
            try:
                return await connect(self._url, self._timeout_ms)
            except StoreUnavailable:
                if self._loop.time() > end:
                    raise
            await asyncio.sleep(0.1)


async def _read(
    connection: Any, known: Known, codecs: Mapping[type[Record], Codec], job: Callable[[Transaction], T]
) -> T:
    tx = PostgresTransaction(connection, known, _SNAPSHOT, lock=False, codecs=codecs)
    try:
        return await green.run(lambda: job(tx))
    finally:
        if tx.begun and not connection.is_closed():
            await connection.execute("ROLLBACK")


def _fail(jobs: list[Job], error: BaseException) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
