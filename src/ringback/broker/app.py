"""The broker put together: the only file that names concrete parts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ringback import clock as wall
from ringback.broker.api.api import Api, explain
from ringback.broker.api.server import Server
from ringback.broker.changes import Applied, Changes, Handed
from ringback.broker.engine import journal
from ringback.broker.engine.canceler import Canceler
from ringback.broker.engine.counter import Counter
from ringback.broker.engine.dispatcher import Dispatcher, Sender
from ringback.broker.engine.janitor import Janitor
from ringback.broker.engine.keyring import Keyring
from ringback.broker.engine.membership import Membership
from ringback.broker.engine.metrics import Metrics, MetricsPage
from ringback.broker.engine.preflight import Preflights
from ringback.broker.engine.scheduler import Scheduler
from ringback.broker.engine.sender import HttpSender, SenderLimits
from ringback.broker.engine.watchdog import Watchdog
from ringback.broker.ids import Ids
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.set_back import last_sight
from ringback.broker.records import Record
from ringback.broker.rules.holding import Holding
from ringback.broker.rules.request import outbound
from ringback.broker.rules.run_request import run_outbound
from ringback.broker.settings import Settings
from ringback.broker.stores.contract import Store, StoreUnavailable
from ringback.broker.stores.rows import CODECS, Codec
from ringback.broker.stores.sqlite import SqliteStore
from ringback.clock import Clock
from ringback.wire.http import Outbound

if TYPE_CHECKING:
    from ringback.broker.engine.tracing import Tracing

Watcher = Callable[[Applied], None]
"""Looks through what has become durable."""
_GRACE = 10.0
"""Seconds that requests and attempts in flight are given when the broker stops."""


class Broker:
    """A broker without a socket: what comes in through `api.respond` is stored and delivered through `sender`.

    Args:
        settings: what it is told.
        store: where records live.
        sender: how requests go out.
        clock: tells the time.

    Attributes:
        watchers: called with what each transaction has written when it is durable; they must be quick.
    """

    def __init__(self, settings: Settings, store: Store, sender: Sender, clock: Clock = wall.now) -> None:
        self.store = store
        self._limits = settings.limits
        self._tenants = settings.tenants
        self.desk = Desk(store, Ids(clock), clock, self._room, self._holding)
        self.keyring = Keyring(settings.tenants)
        self.dispatcher = Dispatcher(
            self.desk,
            sender,
            self.request,
            settings.in_flight,
            settings.in_flight_per_host,
            settings.in_flight_bytes,
            settings.limits,
        )
        self.scheduler = Scheduler(self.desk, self.dispatcher, settings.limits)
        self.counter = Counter(self.desk)
        self.janitor = Janitor(self.desk, settings.limits)
        self.membership = Membership(self.desk, self.dispatcher, settings.node_timeout_ms, self.scheduler.loop.nudge)
        self.watchdog = Watchdog(self.desk, [tenant.name for tenant in settings.tenants])
        self.preflights = Preflights(sender, self.keyring, self.desk.ids.new, clock)
        self.dispatcher.on_outcome = self.preflights.see
        self.canceler = Canceler(self.desk, settings.limits)
        self.api = Api(settings, self.desk, self.preflights, self.canceler)
        self.metrics = Metrics(self.counter.note)
        self.api.serve_beside("metrics", MetricsPage(self.metrics, self.desk, self.api.authenticate))
        self.watchers: list[Watcher] = [
            self.desk.run_lists.see,
            self.keyring.see,
            self.scheduler.see,
            self.metrics.see,
            journal.note,
        ]
        self._loops: list[asyncio.Task[None]] = []
        self._signs_of_life: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the store and take up what was in flight when the last process ended."""
        await self.store.open()
        self.store.on_handed(self._see)
        self.store.on_woken(self.scheduler.loop.nudge)
        if not self.store.shared:
            self.scheduler.follower.remember(await self.desk.read(last_sight))
        await self.membership.join()
        await self.keyring.load(self.desk)
        await self.scheduler.recover()

    def run(self) -> None:
        """Start the loops that run by themselves."""
        loops = (
            self.scheduler.loop,
            self.janitor.loop,
            self.counter.loop,
            self.watchdog.loop,
            self.canceler.loop,
        )
        self._loops = [asyncio.create_task(one.run()) for one in loops]
        self._loops.append(asyncio.create_task(self.api.levels.prepare(one.name for one in self._tenants)))
        signs = (self.membership.loop, self.membership.fence)
        self._signs_of_life = [asyncio.create_task(one.run()) for one in signs]

    async def close(self, grace: float = _GRACE) -> None:
        """Claim nothing more, let what is in flight finish for `grace` seconds, and close the store."""
        await _end(self._loops)
        await self.dispatcher.drain(grace)  # others know meanwhile that this node lives, or they would take over
        await _end(self._signs_of_life)
        with suppress(StoreUnavailable):
            await self.counter.tick()
        await self.membership.leave()
        await self.store.close()

    def request(self, handed: Handed) -> Outbound:
        """Return the request of one attempt, signed."""
        message, delivery = handed.message, handed.delivery
        key = self.keyring.current(message.tenant)
        now, jti = self.desk.clock(), f"jwt_{self.desk.ids.new():016x}"
        if handed.run is None:
            return outbound(message, delivery, key, now, jti)
        return run_outbound(message, delivery, handed.run, handed.list, key, now, jti, self._limits)

    def _room(self) -> int:
        return self.dispatcher.room_in_bytes()

    def _holding(self) -> Holding:
        return self.dispatcher.holding()

    def _see(self, changes: Sequence[Changes]) -> None:
        applied = Applied(changes)
        for see in self.watchers:
            see(applied)


async def _end(loops: Sequence[asyncio.Task[None]]) -> None:
    for loop in loops:
        loop.cancel()
    for loop in loops:
        with suppress(asyncio.CancelledError):
            await loop


def store_for(settings: Settings) -> Store:
    """Return the store that the settings name: PostgreSQL for an address, SQLite for a file.

    Raises:
        StoreUnavailable: what PostgreSQL needs is not installed.
    """
    codecs = codecs_for(settings.encryption_keys)
    if isinstance(settings.database, Path):
        return SqliteStore(settings.database, codecs)
    try:
        from ringback.broker.stores.postgres.store import PostgresStore
    except ModuleNotFoundError as error:
        raise StoreUnavailable(f"{error.name} is missing; install it with: pip install 'ringback[postgres]'") from error
    return PostgresStore(settings.database, settings.node_timeout_ms, codecs)


def codecs_for(encryption_keys: Sequence[bytes]) -> Mapping[type[Record], Codec]:
    """Return what reads and writes records with these keys, the newest first; plain ones without.

    Raises:
        StoreUnavailable: what encryption needs is not installed.
    """
    if not encryption_keys:
        return CODECS
    try:
        from ringback.broker.stores.seal import sealed
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"{error.name} is missing; install it with: pip install 'ringback[encryption]'"
        ) from error
    return sealed(encryption_keys)


class Service:
    """A broker that listens.

    Args:
        settings: what it is told.
        tracing: makes spans of publishes and attempts, where it is wanted.
    """

    def __init__(self, settings: Settings, tracing: "Tracing | None" = None) -> None:
        self.settings = settings
        self.sender = HttpSender(SenderLimits(settings.destinations, body_bytes=settings.limits.response_bytes))
        sender = tracing.sending(self.sender) if tracing else self.sender
        self.broker = Broker(settings, store_for(settings), sender)
        respond = tracing.around(self.broker.api.respond) if tracing else self.broker.api.respond
        self.server = Server(
            respond, host=settings.host, port=settings.port, explain=explain, knows=self.broker.api.knows
        )

    async def start(self) -> tuple[str, int]:
        """Take up former work and listen; return host and port."""
        await self.broker.open()
        self.broker.run()
        return await self.server.start()

    async def stop(self) -> None:
        """Take in nothing more, finish what is in flight, and close."""
        await self.server.stop(_GRACE)
        await self.broker.close()
        await self.sender.close()
