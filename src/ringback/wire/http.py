"""HTTP requests and responses as plain values, and the names of their headers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")

Headers = list[tuple[str, str]]
"""Header lines in order. Bytes are read and written as Latin-1, as HTTP/1.1 frames them."""


@dataclass(slots=True)
class Request:
    """One request as it came in.

    Attributes:
        method: upper-case method.
        target: the request target, raw: neither decoded nor normalised.
        headers: header lines in order of arrival, names in lower case.
        body: the whole body.
        peer: the address of the other end of the connection, without port.
        worked_out: what follows from method, target and headers; requests with the same ones share it, so none of the three
            may be changed: `with_headers` makes another request.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    peer: str = ""
    worked_out: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name` (lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def with_headers(self, headers: Headers) -> "Request":
        """Return this request with other headers; what was worked out of the former ones does not count for it."""
        return replace(self, headers=headers, worked_out={})

    def once(self, name: str, work: Callable[[], T]) -> T:
        """Return what follows from method, target and headers alone, and from nothing that changes; it is kept under a name."""
        if name not in self.worked_out:
            self.worked_out[name] = work()
        return self.worked_out[name]  # type: ignore[no-any-return]


@dataclass(slots=True)
class Response:
    """One answer to a request."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(slots=True)
class Stream:
    """An answer whose body comes bit by bit: `chunks` is iterated until it ends or the other end has gone, and then closed."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


@dataclass(slots=True)
class Outbound:
    """One request to be sent.

    Attributes:
        method: upper-case method.
        url: absolute http or https URL; its path and query are sent exactly as written.
        headers: header lines to send; `Host` and `Content-Length` are added by the sender.
        body: the whole body.
        timeout_ms: how long to wait from sending until the complete response has arrived.
        alive_at: when the other end was last known to be at work, in seconds of the loop's clock; the wait begins anew.
    """

    method: str
    url: str
    headers: Headers
    body: bytes
    timeout_ms: int
    alive_at: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What one attempt brought back: a response, or the reason why there is none.

    Attributes:
        status: status of the response, 0 when there was none.
        headers: response headers, names in canonical MIME casing.
        body: response body, cut at the limit that was in force.
        error: None when a response arrived; otherwise what went wrong, for a person.
        timed_out: True when the time for the attempt was over.
        unsent: True when nothing was sent because this machine lacks something, file descriptors say; no fault of the endpoint.
    """

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    error: str | None = None
    timed_out: bool = False
    unsent: bool = False

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name`, whatever its casing, or None."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


def canonical(name: str) -> str:
    """Return a header name in canonical MIME casing: `x-tenant-ID` becomes `X-Tenant-Id`."""
    return _canonical(name) if len(name) <= _USUAL else _canonical.__wrapped__(name)


_USUAL = 64  # longer names are not remembered, so that they cannot fill the memory


@lru_cache(maxsize=4096)
def _canonical(name: str) -> str:
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
