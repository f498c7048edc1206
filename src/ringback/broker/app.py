"""The broker put together: the only file that names concrete parts."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from ringback import clock as wall
from ringback.broker.api.api import Api
from ringback.broker.api.server import Server
from ringback.broker.changes import Handed
from ringback.broker.engine.dispatcher import Dispatcher
from ringback.broker.engine.scheduler import Scheduler
from ringback.broker.engine.sender import HttpSender
from ringback.broker.ids import Ids
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.keys import keys_of
from ringback.broker.rules.request import outbound
from ringback.broker.settings import Settings
from ringback.broker.stores.contract import Store
from ringback.broker.stores.sqlite import SqliteStore
from ringback.wire.http import Outbound

_log = logging.getLogger("ringback")
_GRACE = 10.0


class Broker:
    """A running broker.

    Args:
        settings: what it is told.
        store: where records live; the SQLite file of the settings if none is given.
    """

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.store = store or SqliteStore(settings.database)
        self.desk = Desk(self.store, Ids(wall.now), wall.now, self._room)
        self.sender = HttpSender(settings)
        self.dispatcher = Dispatcher(
            self.desk, self.sender, self._request, settings.in_flight, settings.in_flight_per_host
        )
        self.scheduler = Scheduler(self.desk, self.dispatcher)
        self.api = Api(settings, self.desk)
        self.server = Server(self.api.respond, host=settings.host, port=settings.port)
        self._tenants = {tenant.name: tenant for tenant in settings.tenants}
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> tuple[str, int]:
        """Open the store, take up what was in flight, and listen; return host and port."""
        await self.store.open()
        self.store.on_handed(self.scheduler.see)
        await self.scheduler.recover()
        self._loops = [asyncio.create_task(self.scheduler.loop.run())]
        return await self.server.start()

    async def stop(self) -> None:
        """Take in nothing more, let what is in flight finish for a while, and close."""
        await self.server.stop(_GRACE)
        for loop in self._loops:
            loop.cancel()
            with suppress(asyncio.CancelledError):
                await loop
        await self.dispatcher.drain(_GRACE)
        await self.sender.close()
        await self.store.close()

    def _room(self) -> int:
        return self.dispatcher.room()

    async def _request(self, handed: Handed) -> Outbound:
        tenant = self._tenants[handed.message.tenant]
        keys = tenant.keys if tenant.fixed_keys else await self._keys(handed.message.tenant)
        jti = f"jwt_{self.desk.ids.new():016x}"
        return outbound(handed.message, handed.delivery, keys, self.desk.clock(), jti)
