"""The console inside a broker: its pages in the broker's own server, its calls straight into the broker's API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from urllib.parse import unquote

import httpx
from starlette.types import ASGIApp, Message

from ringback.wire.http import Request, Response, Stream

Respond = Callable[[Request], "Response | Awaitable[Response | Stream]"]
Explain = Callable[[BaseException], Response | None]


_ASKED: ContextVar[Request | None] = ContextVar("asked", default=None)
"""The request for a page that is being answered: what the page asks the broker for, it asks for whoever sent it."""


class Inside(httpx.AsyncBaseTransport):
    """Brings an HTTP request to a broker in this process without a socket.

    Args:
        respond: the broker's door.
        explain: its answer for an error that `respond` raised.
    """

    def __init__(self, respond: Respond, explain: Explain) -> None:
        self._respond = respond
        self._explain = explain

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw]
        target = request.url.raw_path.decode("ascii")
        asked = _ASKED.get()
        headers += [one for one in (asked.headers if asked else ()) if one[0] == "x-forwarded-for"]
        peer = asked.peer if asked else ""
        response = await self._answer(Request(request.method, target, headers, await request.aread(), peer))
        return httpx.Response(response.status, headers=response.headers, content=response.body)

    async def _answer(self, request: Request) -> Response:
        try:
            answer = self._respond(request)
            response = answer if isinstance(answer, Response) else await answer
        except Exception as error:
            explained = self._explain(error)
            if explained is None:
                raise
            return explained
        if isinstance(response, Stream):
            raise TypeError(f"{request.target} is answered by a stream, the console asks for none")
        return response


def mounted(app: ASGIApp) -> Callable[[Request], Awaitable[Response | Stream]]:
    """Return an ASGI application as what the broker's server calls."""

    async def respond(request: Request) -> Response | Stream:
        _ASKED.set(request)  # of this task alone, and of those it starts
        exchange = _Exchange(request)
        task = asyncio.get_running_loop().create_task(exchange.run(app))
        await exchange.begun(task)
        if exchange.is_stream:
            return Stream(exchange.status, exchange.headers, exchange.chunks(task))
        await task
        return Response(exchange.status, exchange.headers, b"".join(exchange.body))

    return respond


class _Exchange:
    """One request and its answer, between the two ways of speaking."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._given = False
        self._begun = asyncio.Event()
        self._stream: asyncio.Queue[bytes] = asyncio.Queue(1)
        self.status = 500
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self.is_stream = False

    async def begun(self, task: "asyncio.Task[None]") -> None:
        """Wait until the answer has begun, or the application has ended without one."""
        waiting = asyncio.ensure_future(self._begun.wait())
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def chunks(self, task: "asyncio.Task[None]") -> AsyncIterator[bytes]:
        """Yield the body as it comes; closing this ends the application's work on it."""
        try:
            while chunk := await self._stream.get():
                yield chunk
        finally:
            task.cancel()

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer."""
        path, _, query = self._request.target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._request.headers],
            "client": (self._request.peer, 0),
            "server": None,
        }
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            await self._end()
            raise
        await self._end()

    async def _end(self) -> None:
        if self.is_stream:
            await self._stream.put(b"")

    async def _receive(self) -> Message:
        if self._given:
            await asyncio.Event().wait()  # the other end goes: the server cancels what is under way
        self._given = True
        return {"type": "http.request", "body": self._request.body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            self.headers = [(name.title(), value) for name, value in headers if name.lower() != "content-length"]
            self.is_stream = any(value.startswith("text/event-stream") for _, value in self.headers)
            if self.is_stream:
                self._begun.set()
        elif message.get("body"):
            await self._take(message["body"])

    async def _take(self, chunk: bytes) -> None:
        if self.is_stream:
            await self._stream.put(chunk)
        else:
            self.body.append(chunk)
