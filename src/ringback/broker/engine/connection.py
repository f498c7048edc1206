"""One connection going out: a request is written, its response parsed, one after the other."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast

import httptools

from ringback.wire.heads import Heads
from ringback.wire.http import Headers, Outcome, canonical

_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class ConnectionClosed(Exception):
    """The connection ended before the response was complete.

    Args:
        reason: for a person.
        unanswered: no byte of a response had arrived.
    """

    def __init__(self, reason: str, *, unanswered: bool) -> None:
        super().__init__(reason)
        self.unanswered = unanswered


class ResponseTooLarge(Exception):
    """The head of the response is larger than allowed."""


class Said(NamedTuple):
    """What the head of a response says."""

    status: int
    headers: Headers


class Connection(asyncio.Protocol):
    """Sends one request at a time.

    Args:
        heads: of responses that came before.
        head_bytes: most bytes of response headers.
        body_bytes: most bytes of a body that are kept; beyond them the connection is given up, the answer counts.
    """

    _headers: Headers
    _body: list[bytes]

    def __init__(self, heads: Heads[Said], head_bytes: int, body_bytes: int) -> None:
        self._heads = heads
        self._head_limit = head_bytes
        self._body_limit = body_bytes
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Outcome] | None = None
        self.reusable = False
        self.closed = False

    def request(self, data: bytes, ends: Callable[[], float], *, expects_body: bool) -> "asyncio.Future[Outcome]":
        """Write a request; its response is to be waited for.

        Args:
            data: the request.
            ends: tells until when to wait for the complete response, in seconds of the loop's clock; it may move.
                Whoever sends has to call `expire` now and then.
            expects_body: False for a HEAD request.

        Raises:
            TimeoutError: it was not complete in time.
            ConnectionClosed: it ended before the response was complete.
            ResponseTooLarge: the head of the response is too large.
        """
        if self.closed or self._transport.is_closing():
            raise ConnectionClosed("connection closed", unanswered=True)
        self.reusable = False
        self._expects_body = expects_body
        self._answered = self._head_complete = False
        self._waiter = self._loop.create_future()
        self._ends = ends
        self._transport.write(data)
        return self._waiter

    def expire(self, now: float) -> None:
        """Give up waiting for a response whose time is over at `now`, in seconds of the loop's clock."""
        if self._ends() <= now:
            self._fail(TimeoutError())

    def close(self) -> None:
        """Close now."""
        self.closed = True
        self.reusable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended; a body without a length is complete by that."""
        self.closed = True
        self.reusable = False
        if self._waiter is None or self._waiter.done():
            return
        if self._head_complete and self._until_close:
            self._complete()
        else:
            reason = str(error) if error else "the connection was closed before the response was complete"
            self._fail(ConnectionClosed(reason, unanswered=not self._answered))

    def data_received(self, data: bytes) -> None:
        """Parse a part of a response; bytes nobody asked for end the connection."""
        if self._waiter is None or self._waiter.done():
            self.close()
            return
        if self._answered:
            self._whole = b""
        else:
            self._answered = True
            if self._is_known(data):
                return
            self._begin(data)
        try:
            self._parser.feed_data(data)
        except ResponseTooLarge as error:
            self._fail(error)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, ResponseTooLarge) else ConnectionClosed(str(error), unanswered=False))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ConnectionClosed("malformed HTTP response", unanswered=False))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line of the response."""
        self._head_size += len(name) + len(value)
        if self._head_size > self._head_limit:
            raise ResponseTooLarge(f"the response headers are larger than {self._head_limit} bytes")
        self._headers.append((canonical(name.decode("latin-1")), value.decode("latin-1").rstrip(" \t")))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._status = self._parser.get_status_code()
        if 100 <= self._status < 200:
            return
        self._head_complete = True
        names = {name.lower(): value for name, value in self._headers}
        self._until_close = (
            "content-length" not in names and "chunked" not in names.get("transfer-encoding", "").lower()
        )
        if not self._expects_body or self._status in _NO_BODY:
            self._complete(keep=self._parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """A part of the body; what lies beyond the limit is not read."""
        room = self._body_limit - self._body_size
        self._body.append(body[:room])
        self._body_size += min(len(body), room)
        if len(body) > room:
            self._complete()

    def on_message_complete(self) -> None:
        """The response is complete; an interim one is forgotten."""
        if 100 <= self._status < 200:
            self._headers = []
            return
        keep = self._parser.should_keep_alive()
        if keep:
            said = Said(self._status, self._headers)
            self._heads.learn(self._whole, b"".join(self._body), lambda: said)
        self._complete(keep=keep)

    def _is_known(self, data: bytes) -> bool:
        """Complete the response if its head has come before."""
        known = self._heads.find(data) if self._expects_body else None
        if known is None:
            return False
        (self._status, self._headers), body = known
        self._body = [body]
        self._complete(keep=True)
        return True

    def _begin(self, data: bytes) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._whole = data
        self._headers = []
        self._body = []
        self._head_size = self._body_size = 0
        self._status = 0
        self._until_close = False

    def _complete(self, *, keep: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        # The outcome is put together before the connection may be handed its next request.
        outcome = Outcome(self._status, self._headers, b"".join(self._body))
        self._body, self._whole = [], b""  # a connection that is kept keeps nothing of it
        if keep and not self.closed:
            self.reusable = True
        else:
            self.close()
        waiter.set_result(outcome)

    def _fail(self, error: Exception) -> None:
        """Give the connection up, also where the response is complete and what is wrong came behind it."""
        waiter, self._waiter = self._waiter, None  # an error holds those who waited, who hold the connection
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()
