"""How brokers on one database tell each other what they keep in memory, and that there is work: LISTEN and NOTIFY.

Notices may be lost with a connection. Nothing depends on them but speed: what was missed is read again when the connection is
back, and due work is looked for every second anyway.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import msgspec

from ringback.broker.changes import Changes
from ringback.broker.records import Record, SigningKeys
from ringback.broker.stores.contract import Query, Store, StoreUnavailable
from ringback.broker.stores.postgres.connections import LOST, end, told
from ringback.broker.stores.rows import CODECS, TABLES

_log = logging.getLogger("ringback.postgres")

CHANNEL = "ringback"
_WAKE_EVERY = 0.1
"""Seconds between two calls for help."""
_PAUSE = 1.0
_TOLD = {kind: table.name for kind, table in TABLES.items() if table.told}
_KINDS = {name: kind for kind, name in _TOLD.items()}


class Bell:
    """Listens to the other brokers, and rings for them.

    Args:
        store: where what was told of is read.
        connect: makes the connection to listen on.
    """

    def __init__(self, store: Store, connect: Callable[[], Awaitable["asyncpg.Connection[Any]"]]) -> None:
        self._store = store
        self._connect = connect
        self._name = secrets.token_hex(6)
        self._rung_at = 0.0
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection: asyncpg.Connection[Any] | None = None
        self.take: Callable[[Sequence[Changes]], None] = lambda _: None
        self.wake: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            StoreUnavailable: the server cannot be reached.
        """
        try:
            await self._listen()
        except (*LOST, asyncpg.PostgresError) as error:
            raise StoreUnavailable(f"cannot listen to the other brokers: {told(error)}") from error
        self._keep(self._stay())

    async def close(self) -> None:
        """Stop listening."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await end(self._connection)

    def is_told(self, record: Record) -> bool:
        """Whether the others are told of a change of this record."""
        return type(record) in _TOLD

    def notice(self, record: Record) -> str:
        """Return what the others are told of a changed record."""
        kind = type(record)
        return msgspec.json.encode([self._name, _TOLD[kind], *CODECS[kind].key(record)]).decode()

    def ring(self) -> None:
        """Wake the others, though not all the time."""
        now = asyncio.get_running_loop().time()
        if now - self._rung_at >= _WAKE_EVERY:
            self._rung_at = now
            self._keep(self._ring())

    async def _ring(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(*LOST, asyncpg.PostgresError):
                await connection.execute(f"NOTIFY {CHANNEL}, '[\"{self._name}\"]'")

    async def _listen(self) -> None:
        self._lost.clear()
        self._connection = await self._connect()
        self._connection.add_termination_listener(lambda _: self._lost.set())
        await self._connection.add_listener(CHANNEL, self._heard)

    async def _stay(self) -> None:
        """Listen again whenever the connection is lost, and make up for what was missed."""
        while True:
            await self._lost.wait()
            try:
                await self._listen()
                keys = await self._store.read(lambda tx: tx.find(SigningKeys, Query(limit=100_000)))
            except (StoreUnavailable, *LOST, asyncpg.PostgresError) as error:
                _log.warning("cannot listen to the other brokers: %s", error)
                await asyncio.sleep(_PAUSE)
                self._lost.set()
            else:
                self.take([Changes(put=list(keys))])
                self.wake()

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        name, *what = msgspec.json.decode(str(payload))
        if name == self._name:
            return
        if not what:
            self.wake()
        elif what[0] in _KINDS:
            self._keep(self._fetch(_KINDS[what[0]], what[1:]))

    async def _fetch(self, kind: type[Record], key: list[Any]) -> None:
        with suppress(StoreUnavailable):
            record = await self._store.read(lambda tx: tx.get(kind, *key))
            if record is not None:
                self.take([Changes(put=[record])])

    def _keep(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
