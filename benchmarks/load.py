"""The two ends of a load test: an endpoint that answers at once, and publishers that keep a number of requests in flight."""

import asyncio
import json
import time
from collections.abc import Callable

import httptools

_LOOK_AGAIN = 0.005
"""Seconds until a publisher looks whether there is room for its next message."""
BODY = json.dumps({"order": 7781, "note": "x" * 270}).encode()


class Endpoint:
    """Answers each request with 200 and notes when it came; `done` is set once as many messages have come as were expected."""

    def __init__(self, expected: int) -> None:
        self.arrived: dict[bytes, float] = {}
        self.done = asyncio.Event()
        self.expected = expected
        self.open: set[asyncio.BaseTransport] = set()

    async def listen(self, port: int = 0) -> str:
        """Take a port, a free one unless told which; return the URL."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Requests(self), "127.0.0.1", port, backlog=2048)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    def close(self) -> None:
        """Listen no more, and close what is open, so that the port can be taken again."""
        self._server.close()
        for transport in self.open:
            transport.close()


class Requests(asyncio.Protocol):
    """One connection to the endpoint."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._endpoint.open.add(transport)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - signature of the base class
        self._endpoint.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"Upstash-Message-Id":
            self._endpoint.arrived[value] = time.perf_counter()

    def on_message_complete(self) -> None:
        self._transport.write(self.answer)  # type: ignore[attr-defined]
        if len(self._endpoint.arrived) >= self._endpoint.expected:
            self._endpoint.done.set()


class Publisher(asyncio.Protocol):
    """One keep-alive connection that publishes one message after the other."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._run.left <= 0:
            self._transport.close()
            return
        if self._run.full():
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._next)
            return
        wait = self._run.wait()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        if self._run.left <= 0:
            self._transport.close()
            return
        self._run.left -= self._run.batch
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport.write(self._run.request())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if self._parser.get_status_code() != 200:
            raise SystemExit(f"publish failed: {self._body!r}")
        answer = json.loads(self._body)
        for one in answer if isinstance(answer, list) else [answer]:
            self._run.accepted[one["messageId"].encode()] = now
        self._next()


class Run:
    """What is published, and when it was acknowledged.

    It goes through `queues` queues in turn, if there are any; nothing is published while it is `full`.
    """

    def __init__(
        self,
        url: str,
        token: str,
        target: str,
        messages: int,
        rate: float | None,
        batch: int,
        headers: Callable[[int], str],
        delay: str = "",
    ) -> None:
        self.left = messages
        self._headers = headers
        self.batch = batch
        self.accepted: dict[bytes, float] = {}
        self._interval = batch / rate if rate else 0.0
        self._at = time.perf_counter()
        self._path, body = f"/v2/publish/{target}", BODY
        if batch > 1:
            own = {"Content-Type": "application/json"} | ({"Upstash-Delay": delay} if delay else {})
            item = {"destination": target, "headers": own, "body": BODY.decode()}
            self._path, body = "/v2/batch", json.dumps([item] * batch).encode()
        host = url.removeprefix("http://")
        self._host, _, port = host.partition(":")
        self._port = int(port)
        self._head = (
            f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Accept: */*\r\nUser-Agent: bench\r\nUpstash-Method: POST\r\nUpstash-Retries: 3\r\n"
        )
        if delay and batch == 1:
            self._head += f"Upstash-Delay: {delay}\r\n"
        self._body = body
        self._target = target
        self.queues = 0
        self.full: Callable[[], bool] = lambda: False

    async def begin(self, connections: int) -> None:
        """Publish over so many connections, each one message after the other."""
        for _ in range(connections):
            await asyncio.get_running_loop().create_connection(lambda: Publisher(self), self._host, self._port)

    def request(self) -> bytes:
        """Return the next request, with the headers that belong to its number."""
        path = f"/v2/enqueue/q{self.left % self.queues}/{self._target}" if self.queues else self._path
        return f"POST {path}{self._head}{self._headers(self.left)}\r\n".encode() + self._body

    def wait(self) -> float:
        """Return the seconds until the next message is to be published."""
        self._at += self._interval
        return self._at - time.perf_counter() if self._interval else 0.0
