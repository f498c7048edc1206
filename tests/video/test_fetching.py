"""Photos are fetched from public addresses only, however the way there is disguised, and never without end."""

import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ringback.guard import Policy
from ringback_video.fetching import TooMuch, fetch_bytes
from ringback_video.photos import PhotoRefused, PhotoUnreachable, fetch
from support.endpoint import Answer, Endpoint, Received, listening

HERE = Policy(allow_private=True)
PACKED = gzip.compress(gzip.compress(bytes(50_000_000)))


@pytest.fixture
def server() -> Iterator[Endpoint]:
    def respond(request: Received) -> Answer:
        if request.path.startswith("/to/"):
            return Answer(302, b"", {"Location": request.path.removeprefix("/to/")})
        if request.path == "/round":
            return Answer(302, b"", {"Location": "/round"})
        if request.path == "/packed":
            return Answer(200, PACKED, {"Content-Encoding": "gzip, gzip"})
        return Answer(200, b"x" * 1000)

    with listening(respond) as endpoint:
        yield endpoint


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name lead to these addresses, one look-up after the other; returns who was looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "photos.example":
            return real(host, port, *more, **named)
        asked.append(host)
        return real(addresses[min(len(asked), len(addresses)) - 1], port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.8",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "0x7f.1",
    ],
)
def test_what_only_we_can_reach_is_not_fetched(host: str) -> None:
    with pytest.raises(PhotoRefused, match="address we may not fetch from"):
        fetch(f"http://{host}/p.jpg", allow_private=False)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.1.2.3")
    with pytest.raises(PhotoRefused, match="address we may not fetch from"):
        fetch("https://photos.example/p.jpg", allow_private=False)


def test_a_name_is_looked_up_once_and_its_checked_address_is_called(
    monkeypatch: pytest.MonkeyPatch, server: Endpoint
) -> None:
    asked = resolving(monkeypatch, "127.0.0.1", "10.9.9.9")
    port = server.url.rpartition(":")[2]
    assert fetch_bytes(f"http://photos.example:{port}/p.jpg", 1000, HERE) == (200, b"x" * 1000)
    assert asked == ["photos.example"]
    assert server.received[0].headers["host"] == f"photos.example:{port}"


def test_a_redirect_is_checked_like_the_first_address(server: Endpoint) -> None:
    inside = Policy(allow_private=True)
    assert fetch_bytes(f"{server.url}/to/{server.url}/p.jpg", 1000, inside)[0] == 200
    with pytest.raises(PhotoRefused, match="address we may not fetch from"):
        fetch(f"{server.url}/to/http://169.254.169.254/latest", allow_private=True)


def test_a_server_that_leads_round_in_circles_is_left(server: Endpoint) -> None:
    with pytest.raises(PhotoRefused, match="from one address to the next"):
        fetch(f"{server.url}/round", allow_private=True)


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not(server: Endpoint) -> None:
    assert len(fetch_bytes(f"{server.url}/p.jpg", 1000, HERE)[1]) == 1000
    with pytest.raises(TooMuch):
        fetch_bytes(f"{server.url}/p.jpg", 999, HERE)


def test_what_a_server_has_packed_is_never_unpacked(server: Endpoint) -> None:
    """Some hundred bytes would become fifty megabytes at once, and a few more of them all the memory there is."""
    assert fetch_bytes(f"{server.url}/packed", 1000, HERE) == (200, PACKED)
    assert server.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("url", ["ftp://photos.example/p.jpg", "http://", "http://[::1", "p.jpg"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(PhotoRefused, match="not a valid http or https address"):
        fetch(url, allow_private=False)


def test_an_unknown_host_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(PhotoUnreachable, match="its host is not known"):
        fetch("https://photos.example/p.jpg", allow_private=False)
