"""Fetching what customers name: only from where everybody may fetch, within limits of size and time."""

import socket
import time

import httpx

from ringback.guard import Policy, refusal

_MOST_REDIRECTS = 3
_LONGEST_S = 30.0
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


class AddressRefused(Exception):
    """A host is at an address that may not be fetched from; the text says why."""


class TooMuch(Exception):
    """An answer is larger than allowed."""


class Guarded(httpx.BaseTransport):
    """Looks a host's name up once, checks every address, and connects to one that was checked.

    What the name leads to a moment later does not matter then. Redirects come through here again.

    Args:
        policy: where requests may go.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._inner = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the address that was checked; TLS still asks for the name."""
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise httpx.UnsupportedProtocol("it is not an http or https address", request=request)
        host = request.url.host.lower().rstrip(".")
        address = _checked(host, request.url.port or (443 if request.url.scheme == "https" else 80), self._policy)
        request.extensions = {**request.extensions, "sni_hostname": host}
        named = request.url
        request.url = named.copy_with(host=address)
        try:
            return self._inner.handle_request(request)
        finally:
            request.url = named  # what redirects are relative to

    def close(self) -> None:
        """Close connections."""
        self._inner.close()


def fetch_bytes(url: str, most_bytes: int, policy: Policy) -> tuple[int, bytes]:
    """Fetch a URL; return status and body, the body of a 200 only.

    Args:
        url: http or https; up to three redirects are followed, each under the same rules.
        most_bytes: of the body.
        policy: where requests may go.

    Raises:
        AddressRefused: it is at an address that may not be fetched from.
        TooMuch: the body is larger.
        httpx.HTTPError: it could not be fetched within half a minute.
        httpx.InvalidURL: it is no URL.
    """
    end = time.monotonic() + _LONGEST_S
    with (
        httpx.Client(
            transport=Guarded(policy), timeout=_TIMEOUT, follow_redirects=True, max_redirects=_MOST_REDIRECTS
        ) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
    ):
        body = bytearray()
        # as it comes: what is packed twice unpacks to gigabytes before anybody can count
        for part in response.iter_raw() if response.status_code == 200 else ():
            body += part
            if len(body) > most_bytes:
                raise TooMuch
            if time.monotonic() > end:
                raise httpx.ReadTimeout(f"not finished after {_LONGEST_S:g} s")
        return response.status_code, bytes(body)


def _checked(host: str, port: int, policy: Policy) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError("its host is not known") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        reason = refusal(host, address, policy)
        if reason is not None:
            raise AddressRefused(reason)
    return addresses[0]
