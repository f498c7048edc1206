"""HTTP going out: connections are kept and reused, addresses checked, times and sizes limited; it never raises."""

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ringback.broker.engine.connection import Connection, ConnectionClosed, ResponseTooLarge, Said
from ringback.joining import result_of
from ringback.wire.destination import cut_at_path
from ringback.wire.guard import Policy, refusal
from ringback.wire.heads import Heads
from ringback.wire.http import Outbound, Outcome
from ringback.wire.remembered import remembered

_Ends = Callable[[], float]
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What this machine has run out of, when a connection cannot even be begun."""
_LOOK_EVERY = 0.05
"""Seconds between looks at the requests in flight: an attempt may last that much longer than its time-out."""
_AS_WRITTEN = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """How requests go out.

    Attributes:
        policy: which addresses may be connected to.
        connect_s: seconds for a connection, its name look-up and TLS included.
        idle_s: seconds an unused connection is kept.
        idle_per_host: most unused connections to one host.
        head_bytes: most bytes of response headers.
        body_bytes: most bytes of a response body that are kept.
    """

    policy: Policy = field(default_factory=Policy)
    connect_s: float = 10.0
    idle_s: float = 30.0
    idle_per_host: int = 256
    head_bytes: int = 64 * 1024
    body_bytes: int = 1024 * 1024


class _Host(NamedTuple):
    """Where connections go."""

    secure: bool
    name: str
    port: int


class _Target(NamedTuple):
    """A URL cut into what the sender needs."""

    host: _Host
    request: bytes


class _Idle(NamedTuple):
    since: float
    connection: Connection


class _Lacking(Exception):
    """This machine lacks what a connection needs."""


class HttpSender:
    """Sends requests over HTTP/1.1.

    Args:
        limits: how.
    """

    def __init__(self, limits: SenderLimits) -> None:
        self._limits = limits
        self._heads = Heads[Said]()
        self._idle: dict[_Host, deque[_Idle]] = {}
        self._tls = ssl.create_default_context()
        self._sweeper: asyncio.TimerHandle | None = None
        self._busy: set[Connection] = set()
        self._look_ups: dict[_Host, asyncio.Task[list[str]]] = {}
        self._watch: asyncio.TimerHandle | None = None

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Kept, because CPython 3.11 makes a system call each time somebody asks for the running loop."""
        return asyncio.get_running_loop()

    async def send(self, outbound: Outbound) -> Outcome:
        """Send a request; whatever goes wrong is told in the outcome."""
        try:
            target = _target(outbound.url)
            data = _encode(outbound, target)
            begun, seconds = self._loop.time(), outbound.timeout_ms / 1000

            def ends() -> float:
                return max(begun, outbound.alive_at) + seconds

            return await self._exchange(target.host, data, ends, expects_body=outbound.method != "HEAD")
        except TimeoutError:
            return Outcome(0, error=f"no complete response within {outbound.timeout_ms / 1000:g} s", timed_out=True)
        except _Lacking as error:
            return Outcome(0, error=str(error), unsent=True)
        except (ConnectionClosed, ResponseTooLarge, OSError, ValueError) as error:
            return Outcome(0, error=_reason(error))

    async def close(self) -> None:
        """Close all unused connections."""
        for timer in (self._sweeper, self._watch):
            if timer:
                timer.cancel()
        for look_up in self._look_ups.values():
            look_up.cancel()
        self._close_idle()

    def _close_idle(self) -> None:
        for idle in self._idle.values():
            for one in idle:
                one.connection.close()
        self._idle.clear()

    async def _exchange(self, host: _Host, data: bytes, ends: _Ends, *, expects_body: bool) -> Outcome:
        """Send over a kept connection or a new one.

        A kept connection that turns out to be closed before any byte of an answer came is replaced by a new one, once: a
        server that closes idle connections is no failure of the endpoint.
        """
        connection = self._kept(host)
        is_new = connection is None
        while True:
            connection = connection or await self._connect(host, ends())
            self._busy.add(connection)
            if self._watch is None:
                self._watch = self._loop.call_later(_LOOK_EVERY, self._expire)
            try:
                return await connection.request(data, ends, expects_body=expects_body)
            except ConnectionClosed as error:
                if is_new or not error.unanswered:
                    raise
            finally:
                self._let_go(host, connection)
            connection, is_new = None, True

    def _let_go(self, host: _Host, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection.reusable:
            self._keep(host, connection)
        else:
            connection.close()

    def _expire(self) -> None:
        """Look whose time is over. One timer for all: one for each request would cost a twentieth of what a message costs."""
        now = self._loop.time()
        for connection in list(self._busy):
            connection.expire(now)
        self._watch = self._loop.call_later(_LOOK_EVERY, self._expire) if self._busy else None

    def _kept(self, host: _Host) -> Connection | None:
        idle = self._idle.get(host)
        while idle:
            connection = idle.pop().connection
            if not connection.closed:
                return connection
        return None

    def _keep(self, host: _Host, connection: Connection) -> None:
        idle = self._idle.setdefault(host, deque())
        if len(idle) >= self._limits.idle_per_host:
            idle.popleft().connection.close()
        idle.append(_Idle(self._loop.time(), connection))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._limits.idle_s / 4, self._sweep)

    def _sweep(self) -> None:
        """Close connections that were not used for a while."""
        old = self._loop.time() - self._limits.idle_s
        for host, idle in list(self._idle.items()):
            while idle and (idle[0].since < old or idle[0].connection.closed):
                idle.popleft().connection.close()
            if not idle:
                del self._idle[host]
        self._sweeper = self._loop.call_later(self._limits.idle_s / 4, self._sweep) if self._idle else None

    async def _connect(self, host: _Host, end: float) -> Connection:
        left = end - self._loop.time()
        try:
            async with asyncio.timeout(min(left, self._limits.connect_s)):
                return await self._connect_to_first(host)
        except TimeoutError as error:
            if left <= self._limits.connect_s:
                raise
            raise OSError(f"no connection within {self._limits.connect_s:g} s") from error

    async def _connect_to_first(self, host: _Host) -> Connection:
        """Connect to an address that was checked, and to no other: a second look-up could answer differently."""
        errors: list[str] = []
        for address in await self._addresses(host):
            refused = refusal(host.name, address, self._limits.policy)
            if refused:
                errors.append(refused)
                continue
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._heads, self._limits.head_bytes, self._limits.body_bytes),
                    address,
                    host.port,
                    ssl=self._tls if host.secure else None,
                    server_hostname=host.name if host.secure else None,
                )
            except OSError as error:
                if error.errno in _OURS:
                    raise self._lacking(error) from error
                errors.append(_reason(error))
            else:
                return connection
        raise OSError("; ".join(dict.fromkeys(errors)) or f"{host.name} has no address")

    def _lacking(self, error: OSError) -> _Lacking:
        """What is kept for later may be what others need now."""
        self._close_idle()
        return _Lacking(f"this machine has run short: {_reason(error)}")

    def _check_descriptors(self) -> None:
        """A look-up without a file descriptor fails like one of a name that is not there."""
        try:
            os.close(os.dup(0))
        except OSError as error:
            if error.errno in _OURS:
                raise self._lacking(error) from error

    async def _addresses(self, host: _Host) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host.name))]
        except ValueError:
            pass
        try:
            return await result_of(self._look_up(host))
        except (OSError, UnicodeError) as error:
            self._check_descriptors()
            raise OSError(f"cannot resolve {host.name}: {_reason(error)}") from error

    def _look_up(self, host: _Host) -> "asyncio.Task[list[str]]":
        """Look a name up once for all who want it now.

        The system looks up a few names at once only: one whose server is silent, wanted by many, would keep the others waiting.
        """
        running = self._look_ups.get(host)
        if running is None:
            running = self._look_ups[host] = self._loop.create_task(self._found(host))
            running.add_done_callback(lambda done: self._looked_up(host, done))
        return running

    def _looked_up(self, host: _Host, done: "asyncio.Task[list[str]]") -> None:
        del self._look_ups[host]
        if not done.cancelled():
            done.exception()  # those who wanted to know may all have gone

    async def _found(self, host: _Host) -> list[str]:
        found = await self._loop.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@remembered(4096)
def _target(url: str) -> _Target:
    """Cut a URL apart; path and query stay as written, characters outside ASCII are percent-encoded.

    Raises:
        ValueError: it cannot be requested.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL is not an absolute http or https URL")
    if parts.username is not None:
        raise ValueError("the URL carries a user name; send Upstash-Forward-Authorization instead")
    name = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    shown = f"[{name}]" if ":" in name else name
    if port != (443 if secure else 80):
        shown = f"{shown}:{port}"
    path = cut_at_path(url)[1].partition("#")[0]
    path = quote(path if path.startswith("/") else f"/{path}", safe=_AS_WRITTEN + '"<>\\^`{|}')
    return _Target(_Host(secure, name, port), f" {path} HTTP/1.1\r\nHost: {shown}\r\n".encode("ascii"))


def _encode(outbound: Outbound, target: _Target) -> bytes:
    """Return the bytes of a request.

    Raises:
        ValueError: a header would break out of its line.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in outbound.headers])
    if text.count("\n") != len(outbound.headers) or text.count("\r") != len(outbound.headers) or "\0" in text:
        raise ValueError("a header has a line break in it")
    head = f"{text}Accept-Encoding: identity\r\nContent-Length: {len(outbound.body)}\r\n\r\n"
    try:
        encoded = head.encode("latin-1")
    except UnicodeEncodeError:
        encoded = b"\n".join(_encoded_line(line) for line in head.split("\n"))
    return b"%b%b%b%b" % (outbound.method.encode("ascii"), target.request, encoded, outbound.body)


def _encoded_line(line: str) -> bytes:
    """Each header for itself: as Latin-1, which is how receivers read it, or as UTF-8 where it has other characters."""
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate not accepted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
