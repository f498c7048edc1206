"""Requests to providers: each is sent exactly once, and what has become of it is said in the words of the seam.

Clients of providers repeat a request that got no answer. For a paid order that can mean paying twice, so all of them are given
this transport: it never repeats, and its errors are none that a client knows how to repeat.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from ringback_video.providers.contract import Ambiguous, Busy, NotThere, ProviderError, Refused, Unreachable

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
MOST_ANSWER = 100 * 1024 * 1024
"""Bytes of an answer: Google's Veo has the video in it."""
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_RESET = re.compile(r'(?:resets? in|"retryDelay":)\s*"?~?\s*(\d+(?:\.\d+)?)\s*s')
_SAID = 300
_OF_TRANSPORT = ("content-encoding", "content-length", "transfer-encoding")


class Once(httpx.BaseTransport):
    """Sends once.

    Args:
        provider: its name, for the texts of errors.
        paid: whether a request is an order that costs money.
        host: where to send instead of where the client wants to, as `http://127.0.0.1:1234`; for clients with a fixed host.
    """

    def __init__(self, provider: str, paid: Callable[[httpx.Request], bool], host: str | None = None) -> None:
        self._provider = provider
        self._paid = paid
        self._host = httpx.URL(host) if host else None
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and answer with what was answered.

        Raises:
            ProviderError: as the kind of failure says.
        """
        if self._host is not None:
            request.url = request.url.copy_with(scheme=self._host.scheme, host=self._host.host, port=self._host.port)
            request.headers["host"] = self._host.netloc.decode()
        try:
            response = self._read(self._inner.handle_request(request))
        except _NOTHING_SENT as error:
            raise Unreachable(f"{self._provider} cannot be reached.") from error
        except httpx.TransportError as error:
            raise self._unanswered(request, "did not answer") from error
        if response.status_code >= 400:
            raise self._refusal(request, response)
        return response

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()

    def _read(self, response: httpx.Response) -> httpx.Response:
        """Return an answer with its body, which is bounded."""
        body = bytearray()
        try:
            for part in response.iter_bytes():
                body += part
                if len(body) > MOST_ANSWER:
                    raise Refused(f"{self._provider} answers with more than {MOST_ANSWER // 1024 // 1024} MB.")
        finally:
            response.close()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_TRANSPORT]
        return httpx.Response(
            response.status_code, headers=headers, content=bytes(body), extensions=response.extensions
        )

    def _unanswered(self, request: httpx.Request, what: str) -> ProviderError:
        if self._paid(request):
            return Ambiguous(f"{self._provider} {what}; whether it has taken the order is not known.")
        return Unreachable(f"{self._provider} {what}.")

    def _refusal(self, request: httpx.Request, response: httpx.Response) -> ProviderError:
        status, said = response.status_code, _said(response)
        if status == 429:
            return Busy(f"{self._provider} is busy: {said}", _retry_after_s(response))
        if status == 408 or status >= 500:
            return self._unanswered(request, f"answered {status}")
        if status in (404, 410):
            return NotThere(f"{self._provider} does not know it: {said}")
        return Refused(f"{self._provider} refused ({status}): {said}")


@contextmanager
def told_plainly() -> Iterator[None]:
    """Clients wrap what their transport raises: take the seam's error out of it again."""
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:
        inner: BaseException | None = error
        while inner is not None and not isinstance(inner, ProviderError):
            inner = inner.__cause__ or inner.__context__
        if inner is None:
            raise
        raise inner from None


def _said(response: httpx.Response) -> str:
    """Return what the answer says, as short as it can be had."""
    try:
        said = json.loads(response.content)
    except ValueError:
        return response.text[:_SAID] or response.reason_phrase
    if isinstance(said, dict):
        for name in ("detail", "error", "message", "title"):
            inner = said.get(name)
            if isinstance(inner, dict):
                inner = inner.get("message")
            if inner:
                return str(inner)[:_SAID]
    return str(said)[:_SAID]


def _retry_after_s(response: httpx.Response) -> float | None:
    """Providers say it in a header, or in words."""
    header = response.headers.get("retry-after", "")
    if header.replace(".", "", 1).isdigit():
        return float(header)
    found = _RESET.search(response.text)
    return float(found.group(1)) if found else None
