"""The way from the console to the broker: the client's calls over HTTP, one connection pool for each token."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, TypeVar

import httpx

from ringback.client import AsyncTransport, Broker
from ringback.client.calls import Call

T = TypeVar("T")

_MOST = 64


class Ask(Protocol):
    """Makes a call with the token of one session; raises what the client raises."""

    async def __call__(self, call: Call[T]) -> T:
        """Return the answer."""


class Door:
    """Lets sessions talk to one broker.

    Args:
        url: where the broker is.
        transport: makes the way there; None for sockets.
    """

    def __init__(self, url: str, transport: Callable[[], httpx.AsyncBaseTransport] | None = None) -> None:
        self.url = url
        self._transport = transport
        self._open: OrderedDict[str, AsyncTransport] = OrderedDict()

    def with_token(self, token: str) -> Ask:
        """Return the way for a token."""
        known = self._open.pop(token, None)
        if known is None:
            known = AsyncTransport(Broker(self.url, token), self._transport() if self._transport else None)
        self._open[token] = known
        return known.send

    async def forget(self) -> None:
        """Close what has not been used for long, so that tokens that are tried cost nothing for ever."""
        while len(self._open) > _MOST:
            _, oldest = self._open.popitem(last=False)
            await oldest.close()

    async def close(self) -> None:
        """Close everything."""
        while self._open:
            await self._open.popitem()[1].close()
