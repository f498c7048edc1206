"""One connection that came in: an own protocol on httptools, because this is where the broker's time goes."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, cast
from urllib.parse import quote_from_bytes

import httptools

from ringback.broker.api.answer_bytes import CONTINUE, encode, head, refusal
from ringback.broker.api.strangers import SMALL, Loan, Strangers
from ringback.broker.api.streaming import Streaming
from ringback.errors import Refused
from ringback.wire.destination import cut_at_path
from ringback.wire.heads import Heads
from ringback.wire.http import Headers, Request, Response, Stream

_log = logging.getLogger("ringback.server")

Respond = Callable[[Request], Response | Awaitable[Response | Stream]]
Explain = Callable[[BaseException], Response | None]

_PIPELINED = 64
"""Requests of one connection that may wait for an earlier one; beyond it, reading pauses."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one connection may cost.

    Attributes:
        head_bytes: target and header lines together.
        header_lines: how many of them.
        body_bytes: largest body.
        strangers_bytes: how large the bodies may be, together, of those who show no token.
        request_s: seconds from the first byte of a request to its last.
        idle_s: seconds a connection may wait for its next request.
        connections: how many at once; further ones are closed.
        streams: how many answers may come bit by bit at once; further ones are refused.
    """

    head_bytes: int = 64 * 1024
    header_lines: int = 256
    body_bytes: int = 100 * 1024 * 1024
    strangers_bytes: int = 64 * 1024 * 1024
    request_s: float = 60.0
    idle_s: float = 120.0
    connections: int = 10_000
    streams: int = 200


class Listener(Protocol):
    """What a connection needs of the server it came to.

    Attributes:
        respond: answers a request.
        explain: the answer for an error that `respond` raised; None lets it be an internal error.
        limits: what one connection may cost.
        connections: those that are open.
        streams: answers that come bit by bit.
        strangers: those who show no token.
        heads: of requests that came before.
        stopping: whether nothing more is taken in.
    """

    respond: Respond
    explain: Explain
    limits: ServerLimits
    connections: "set[Connection]"
    streams: set[Streaming]
    strangers: Strangers
    heads: Heads[Request]
    stopping: bool


def _line(name: bytes, value: bytes) -> tuple[str, str]:
    """A value ends before the blanks behind it (RFC 9110, 5.5); those in front the parser leaves out."""
    return name.decode("latin-1").lower(), value.decode("latin-1").rstrip(" \t")


_known_line = lru_cache(maxsize=4096)(_line)
"""Most lines of a head are those of others, and heads that are remembered share them."""
_SHORT_LINE = 256
_ASCII = bytes(range(128))


def _origin_form(target: str) -> str:
    """Return a target without scheme and host, which a server has to take, too (RFC 9112, 3.2.2)."""
    if not target[:8].lower().startswith(("http://", "https://")):
        return target
    tail = cut_at_path(target)[1]
    return tail if tail.startswith("/") else f"/{tail}"


class Connection(asyncio.Protocol):
    """One connection: parses requests, answers them in order."""

    _streaming: Streaming | None = None
    _unread = 0

    def __init__(self, server: Listener) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._requests: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._closing = False
        self._reading = True
        self._begun = False
        self._whole = b""
        self._loan = Loan(server.strangers)
        self.deadline = self._loop.time() + self._limits.idle_s

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to parse, or turn away what is too much."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= self._limits.connections or self._server.stopping:
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._parser = httptools.HttpRequestParser(self)
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - signature of the base class
        """Forget the connection; what is being answered goes on, its answer goes nowhere."""
        self._closing = True
        self._requests.clear()
        self._server.connections.discard(self)
        self._loan.give_back()
        if self._streaming:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse; a request that is complete is answered from within."""
        if self._closing:
            return
        if self._begun:
            self._whole = b""
        else:
            known = self._server.heads.find(data)
            if known is not None:
                head, body = known
                again = Request(head.method, head.target, head.headers, body, self._peer, head.worked_out)
                self._take(again, keep_alive=True)
                return
            self._whole = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nobody has to accept one: the request is answered as if it had not asked, and the connection closed
        except httptools.HttpParserCallbackError as error:
            refused = error.__context__
            if isinstance(refused, Refused):
                self._refuse(refused.status, refused.text)
            else:
                self._refuse(400, "malformed HTTP request")
        except httptools.HttpParserError:
            self._take_as_typed(data)

    def _take_as_typed(self, data: bytes) -> None:
        """The parser wants targets percent-encoded; curl sends them as they were typed, and most servers take that."""
        line, end, rest = data.partition(b"\r\n")
        if self._whole is not data or not end or line.isascii():
            self._refuse(400, "malformed HTTP request")
            return
        self._parser, self._begun = httptools.HttpRequestParser(self), False
        self.data_received(b"%b%b%b" % (quote_from_bytes(line, safe=_ASCII).encode(), end, rest))

    def pause_writing(self) -> None:
        """The peer reads too slowly: take nothing more from it."""
        if self._streaming:
            self._streaming.pause()  # goes on reading: that is how one learns that the peer has gone
        else:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        if self._streaming:
            self._streaming.resume()
            return
        if self._reading:
            self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target = b""
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._head_size = self._body_size = 0
        self._begun = True
        self.deadline = self._loop.time() + self._limits.request_s

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._target += url
        self._grow_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        size = len(name) + len(value)
        self._grow_head(size)
        if len(self._headers) >= self._limits.header_lines:
            raise Refused(431, f"too many headers, at most {self._limits.header_lines} are allowed")
        self._headers.append(_known_line(name, value) if size <= _SHORT_LINE else _line(name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; a client that waits for a word before it sends the body gets it."""
        for name, value in self._headers:
            if name == "expect" and value.lower() == "100-continue" and not self._busy:
                self._write(CONTINUE)
            elif name == "content-length" and value.isdigit() and int(value) > self._limits.body_bytes:
                raise self._too_large()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        before, self._body_size = self._body_size, self._body_size + len(body)
        if self._body_size > self._limits.body_bytes:
            raise self._too_large()
        if self._body_size > SMALL:
            if before <= SMALL:
                self._loan.ask(Request(self._method(), self._target.decode("latin-1"), self._headers))
            self._loan.take(len(body))
        self._body.append(body)

    def on_message_complete(self) -> None:
        """A whole request is there."""
        self._begun = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(
            self._method(),
            _origin_form(self._target.decode("latin-1")),
            self._headers,
            body,
            self._peer,
        )
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        if keep_alive and request.header("expect") is None:
            self._server.heads.learn(self._whole, body, lambda: replace(request, body=b"", peer=""))
        self._whole = b""
        self._take(request, keep_alive=keep_alive)

    def _method(self) -> str:
        method: str = self._parser.get_method().decode("latin-1")
        return method

    def _take(self, request: Request, *, keep_alive: bool) -> None:
        self._requests.append((request, keep_alive))
        if not self._busy:
            self._next()
        elif len(self._requests) >= _PIPELINED:
            self._reading = False
            self._transport.pause_reading()

    # What the server calls.

    def close_when_idle(self) -> None:
        """Close after the answers that are owed."""
        if not self._busy and not self._requests and not self._begun:
            self._close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def expire(self) -> None:
        """The time for the next request, or for the rest of this one, is over; or for reading more of an answer."""
        if self._closing:
            self._expire_unread()
        elif self._busy:
            self.deadline = self._loop.time() + self._limits.idle_s
        elif self._begun:
            self._refuse(408, "the request took too long to arrive")
        else:
            self._close()

    def _expire_unread(self) -> None:
        """A connection is closed when its last answer has gone out, which a peer that reads nothing would put off for ever."""
        unread = self._transport.get_write_buffer_size()
        if unread >= self._unread:
            self._transport.abort()
        self._unread = unread
        self.deadline = self._loop.time() + self._limits.idle_s

    # Answering.

    def _next(self) -> None:
        while self._requests and not self._busy and not self._closing:
            request, keep_alive = self._requests.popleft()
            self._answer(request, keep_alive and not self._server.stopping)
        if not self._reading and len(self._requests) < _PIPELINED // 2 and not self._closing:
            self._reading = True
            self._transport.resume_reading()
        if not self._busy and not self._requests and not self._begun:
            self._loan.give_back()

    def _answer(self, request: Request, keep_alive: bool) -> None:
        try:
            answer = self._server.respond(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection owes an answer
            answer = self._server.explain(error) or self._internal(request, error)
        if isinstance(answer, Response):
            self._send(answer, request, keep_alive)
            return
        self._busy = True
        future = asyncio.ensure_future(answer)
        future.add_done_callback(lambda done: self._answered(done, request, keep_alive))

    def _answered(self, done: "asyncio.Future[Response | Stream]", request: Request, keep_alive: bool) -> None:
        self._busy = False
        if done.cancelled():
            self._close()
            return
        error = done.exception()
        response = done.result() if error is None else self._server.explain(error) or self._internal(request, error)
        if isinstance(response, Stream):
            self._stream(response)
            return
        self._send(response, request, keep_alive)
        self._next()

    def _stream(self, answer: Stream) -> None:
        """Send an answer as it comes; its end is the end of the connection."""
        streams = self._server.streams
        if len(streams) >= self._limits.streams or self._closing:
            self._refuse(503, "too many streams are open")
            return
        self._busy = True
        self._write(head(answer.status, answer.headers, "Connection: close\r\n"))
        self._streaming = streaming = Streaming(answer, self._write, self._limits.idle_s)
        streams.add(streaming)
        streaming.task.add_done_callback(lambda _: self._streamed(streaming))

    def _streamed(self, streaming: Streaming) -> None:
        self._server.streams.discard(streaming)
        self._close()

    @staticmethod
    def _internal(request: Request, error: BaseException) -> Response:
        _log.error("%s failed", request.method, exc_info=error)
        return refusal(500, "internal error")

    def _send(self, response: Response, request: Request, keep_alive: bool) -> None:
        self._write(encode(response, keep_alive=keep_alive, with_body=request.method != "HEAD"))
        self.deadline = self._loop.time() + self._limits.idle_s
        if not keep_alive:
            self._close()

    def _refuse(self, status: int, text: str) -> None:
        """Answer what cannot be read as a request, and close."""
        if not self._busy:
            self._write(encode(refusal(status, text), keep_alive=False, with_body=True))
        self._close()

    def _write(self, data: bytes) -> None:
        if not self._closing and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self._unread = self._transport.get_write_buffer_size()
            self.deadline = self._loop.time() + self._limits.idle_s
        self._requests.clear()
        self._transport.close()

    def _grow_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.head_bytes:
            raise Refused(431, f"the request head is larger than {self._limits.head_bytes} bytes")

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is larger than {self._limits.body_bytes} bytes")
