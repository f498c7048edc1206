"""Calls over HTTP with httpx: blocking and asynchronous, with time limits and careful second tries."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from functools import cache
from typing import TypeVar
from weakref import WeakKeyDictionary

import httpx

from ringback.client.calls import Call
from ringback.client.errors import BrokerUnreachable
from ringback.client.settings import Broker, platform
from ringback.errors import Refused

T = TypeVar("T")

in_process: dict[str, tuple[httpx.BaseTransport, httpx.AsyncBaseTransport]] = {}
"""Brokers of this process by URL, with the blocking and the asynchronous way to each; they need no socket."""

_TRIES = 4
_TIMEOUT = httpx.Timeout(30, connect=10)
_CONNECTIONS = 100
_CONNECTIONS_KEPT = 20


class Transport:
    """Sends calls and waits for their answers."""

    def __init__(self, broker: Broker, transport: httpx.BaseTransport | None = None) -> None:
        self.broker = broker
        local, _ = in_process.get(broker.url, (None, None))
        way = transport or local
        self._client = httpx.Client(timeout=_TIMEOUT, limits=_limits(), verify=_trust(), transport=way)

    def send(self, call: Call[T]) -> T:
        """Return the result of a call.

        Raises:
            Refused: the broker says no.
            BrokerUnreachable: no answer.
        """
        for pause in _pauses():
            try:
                return _read(call, self._client.send(_request(self._client, self.broker, call)))
            except httpx.TransportError as error:
                if pause is None or not _may_repeat(call, error):
                    raise BrokerUnreachable(_reason(self.broker, error)) from error
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


class AsyncTransport:
    """Sends calls without blocking, from any event loop: each loop has its own connections."""

    def __init__(self, broker: Broker, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.broker = broker
        self._transport = transport
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def send(self, call: Call[T]) -> T:
        """Return the result of a call.

        Raises:
            Refused: the broker says no.
            BrokerUnreachable: no answer.
        """
        client = self._of_this_loop()
        for pause in _pauses():
            try:
                return _read(call, await client.send(_request(client, self.broker, call)))
            except httpx.TransportError as error:
                if pause is None or not _may_repeat(call, error):
                    raise BrokerUnreachable(_reason(self.broker, error)) from error
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Give back the connections of the running event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _of_this_loop(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            _, local = in_process.get(self.broker.url, (None, None))
            way = self._transport or local
            client = httpx.AsyncClient(timeout=_TIMEOUT, limits=_limits(), verify=_trust(), transport=way)
            self._clients[loop] = client
        return client


@cache
def _trust() -> ssl.SSLContext:
    """Return the certificates to trust, loaded once: it takes longer than a call."""
    return httpx.create_ssl_context()


def _limits() -> httpx.Limits:
    """Return how many connections there may be; none is kept where the process may be frozen and they die unseen."""
    kept = 0 if platform() else _CONNECTIONS_KEPT
    return httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=kept)


def _pauses() -> Iterator[float | None]:
    yield from (0.05 * 3**tried for tried in range(_TRIES - 1))
    yield None


def _request(client: httpx.Client | httpx.AsyncClient, broker: Broker, call: Call[T]) -> httpx.Request:
    headers = [("Authorization", f"Bearer {broker.token}"), *call.headers.items()]
    url = broker.url + call.path
    if call.query:
        url += f"?{httpx.QueryParams(call.query)}"
    return client.build_request(
        call.method, url, headers=[(name.encode(), _bytes(value)) for name, value in headers], content=call.body
    )


def _bytes(value: str) -> bytes:
    """Return a header value's bytes: Latin-1 where it suffices, as receivers read it (protocol workflow 2.5)."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _read(call: Call[T], response: httpx.Response) -> T:
    if response.is_success:
        return call.parse(response.content)
    raise Refused(response.status_code, _why(call, response.text), tuple(response.headers.items()))


def _why(call: Call[T], text: str) -> str:
    """Return the broker's own sentence; what is none is told with the call it answered."""
    try:
        told = json.loads(text)["error"]
    except (ValueError, TypeError, KeyError):
        told = None
    return told if isinstance(told, str) and told else f"{call.method} {call.path}: {text[:1000]}"


def _may_repeat(call: Call[T], error: httpx.TransportError) -> bool:
    return call.repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _reason(broker: Broker, error: httpx.TransportError) -> str:
    return f"no answer from the broker at {broker.url}: {type(error).__name__} {error}".rstrip()
