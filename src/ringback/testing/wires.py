"""The way to a broker of this process for clients: no socket, from its own event loop, from others, and from threads."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import httpx

from ringback.broker.api.api import explain
from ringback.broker.app import Broker
from ringback.client.calls import Call
from ringback.client.transport import in_process
from ringback.errors import Refused, RingbackError
from ringback.wire.http import Request, Response, Stream

T = TypeVar("T")

_CALLER = "192.0.2.2"  # an address for documentation, RFC 5737


class Door:
    """Lets requests in at the broker's API.

    Args:
        broker: whose store answers at once.
        note: told of each call, as text.
    """

    def __init__(self, broker: Broker, note: Callable[[str], None]) -> None:
        self._broker = broker
        self._note = note
        self.loop: asyncio.AbstractEventLoop | None = None

    def is_here(self) -> bool:
        """Whether the running code belongs to the broker's own event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def send(self, call: Call[T], token: str) -> T:
        """Make a call on the broker's event loop and return its result.

        Raises:
            Refused: the broker says no.
        """
        headers = [
            ("authorization", f"Bearer {token}"),
            *((name.lower(), value) for name, value in call.headers.items()),
        ]
        answer = self._respond(Request(call.method, call.path, headers, call.body, _CALLER))
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, answer.body.decode(errors="replace"))
        return call.parse(answer.body)

    def answer_now(self, request: httpx.Request) -> httpx.Response:
        """Answer on the broker's event loop, without giving it up."""
        return _response(self._respond(_request(request)))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer on the broker's event loop."""
        asked = _request(request)
        self._note(f"{asked.method} {asked.target}")
        answer = self._broker.api.respond(asked)
        try:
            said = answer if isinstance(answer, Response) else await answer
        except RingbackError as error:
            said = _explained(error)
        return _response(cast("Response", said))  # calls of the API are never answered with a stream

    def _respond(self, request: Request) -> Response:
        self._note(f"{request.method} {request.target}")
        answer = self._broker.api.respond(request)
        if isinstance(answer, Response):
            return answer
        try:
            return _at_once(answer)
        except RingbackError as error:
            return _explained(error)


def _at_once(answer: Awaitable[Response | Stream]) -> Response:
    """Return what is awaited, which is there already: the store in memory answers at once.

    Raises:
        RuntimeError: it is not there.
        RingbackError: the broker says no.
    """
    steps = answer.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return cast("Response", done.value)
    raise RuntimeError(
        "a blocking call on the test broker's own event loop cannot wait; make it in a thread or await it"
    )


class AsyncWay(httpx.AsyncBaseTransport):
    """The way for asynchronous clients."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        await request.aread()
        if self._door.is_here() or self._door.loop is None:
            return await self._door.answer(request)
        future = asyncio.run_coroutine_threadsafe(self._door.answer(request), self._door.loop)
        return await asyncio.wrap_future(future)


class BlockingWay(httpx.BaseTransport):
    """The way for blocking clients, in threads and in blocking tests."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        request.read()
        if self._door.is_here() or self._door.loop is None:
            return self._door.answer_now(request)
        return asyncio.run_coroutine_threadsafe(self._door.answer(request), self._door.loop).result()


def connect(client: Any, door: Door) -> None:
    """Let a client of the `qstash` package reach the broker.

    Raises:
        TypeError: it is no such client.
    """
    inside: Any = getattr(client, "http", None)
    match getattr(inside, "_client", None):
        case httpx.Client() as before:
            before.close()
            inside._client = httpx.Client(transport=BlockingWay(door))  # noqa: SLF001 - it offers no other way in
        case httpx.AsyncClient():
            inside._client = httpx.AsyncClient(transport=AsyncWay(door))  # noqa: SLF001
        case _:
            raise TypeError(f"expected a QStash or AsyncQStash of the qstash package, not {client!r}")


@contextmanager
def reachable(url: str, door: Door) -> Iterator[None]:
    """Let clients that are made for a URL find the broker, as long as the block lasts."""
    in_process[url] = (BlockingWay(door), AsyncWay(door))
    try:
        yield
    finally:
        del in_process[url]


def _explained(error: BaseException) -> Response:
    explained = explain(error)
    if explained is None:
        raise error
    return explained


def _request(request: httpx.Request) -> Request:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw]
    target = request.url.raw_path.decode("ascii")
    return Request(request.method, target, headers, request.content, _CALLER)


def _response(response: Response) -> httpx.Response:
    return httpx.Response(response.status, headers=response.headers, content=response.body)
