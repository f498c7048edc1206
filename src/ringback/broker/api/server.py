"""HTTP coming in: listens, and keeps an eye on the connections."""

import asyncio
from collections.abc import Callable

from ringback.broker.api.connection import Connection, Explain, Respond, ServerLimits
from ringback.broker.api.strangers import Strangers
from ringback.broker.api.streaming import Streaming
from ringback.wire.heads import Heads
from ringback.wire.http import Request


class Server:
    """Listens, and answers each request with what `respond` says.

    Args:
        respond: answers at once, or with an awaitable; answers of one connection keep their order.
        host, port: where to listen; port 0 takes a free one.
        explain: the answer for an error that `respond` raised; None lets it be an internal error.
        limits: what one connection may cost.
        knows: whether a request, whose body is still to come, shows who sent it.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        host: str,
        port: int,
        explain: Explain = lambda _: None,
        limits: ServerLimits | None = None,
        knows: Callable[[Request], bool] = lambda _: False,
    ) -> None:
        self.respond = respond
        self.explain = explain
        self.limits = limits or ServerLimits()
        self.connections: set[Connection] = set()
        self.streams: set[Streaming] = set()
        self.strangers = Strangers(knows, self.limits.strangers_bytes)
        self.heads = Heads[Request]()
        self.stopping = False
        self._address = (host, port)
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; return host and port.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._loop = asyncio.get_running_loop()
        host, port = self._address
        self._listener = await self._loop.create_server(lambda: Connection(self), host, port, backlog=2048)
        self._sweep()
        bound: tuple[str, int] = self._listener.sockets[0].getsockname()[:2]
        return bound

    async def stop(self, grace: float) -> None:
        """Listen no more; requests in flight get `grace` seconds to be answered."""
        self.stopping = True
        if self._listener:
            self._listener.close()
        if self._sweeper:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.close_when_idle()
        for streaming in self.streams:
            streaming.cancel()
        end = self._loop.time() + grace
        while self.connections and self._loop.time() < end:  # noqa: ASYNC110 - each connection ends by itself
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()

    def _sweep(self) -> None:
        """Close what took too long; once a second is exact enough and costs nothing per request."""
        now = self._loop.time()
        for connection in list(self.connections):
            if now > connection.deadline:
                connection.expire()
        self._sweeper = self._loop.call_later(1.0, self._sweep)
