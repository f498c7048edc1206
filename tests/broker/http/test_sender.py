"""HTTP going out, over real sockets, to endpoints that behave and endpoints that do not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme

from ringback.broker.engine.sender import HttpSender, SenderLimits
from ringback.wire.guard import Policy
from ringback.wire.http import Outbound, Outcome

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIMITS = SenderLimits(Policy(allow_private=True), connect_s=2, body_bytes=1000, head_bytes=2000)


class Endpoint:
    """A raw server that talks as the test says."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self.heard: list[bytes] = []

    async def start(self, tls: ssl.SSLContext | None = None) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def take(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        request = head + await reader.readexactly(length)
        self.heard.append(request)
        return request

    def stop(self) -> None:
        self._server.close()


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    opened = HttpSender(LIMITS)
    yield opened
    await opened.close()


def outbound(port: int, path: str = "/p", **more: object) -> Outbound:
    values: dict[str, object] = {"method": "POST", "headers": [("X-A", "1")], "body": b"body", "timeout_ms": 3000}
    return Outbound(url=f"http://127.0.0.1:{port}{path}", **(values | more))  # type: ignore[arg-type]


async def answered(sender: HttpSender, *parts: bytes, close: bool = False, **more: object) -> Outcome:
    """Return the outcome of a request that is answered with these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await endpoint.take(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
            if close:
                return

    endpoint = Endpoint(talk)
    port = await endpoint.start()
    try:
        return await sender.send(outbound(port, **more))
    finally:
        endpoint.stop()


async def test_a_request_is_sent_exactly_as_written(sender: HttpSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await endpoint.take(reader)
            writer.write(OK)

    endpoint = Endpoint(talk)
    port = await endpoint.start()
    headers = [("X-Ü", "ä"), ("X-Name", "é 日本")]
    for _ in range(3):
        outcome = await sender.send(outbound(port, "/a%20b//ü?x=%26&y=1#frag", headers=headers))
        assert (outcome.status, outcome.body, outcome.headers) == (200, b"ok", [("Content-Length", "2")])
    endpoint.stop()
    assert endpoint.connections == 1
    head = endpoint.heard[0].split(b"\r\n\r\n")[0].decode("latin-1")
    assert head.startswith(f"POST /a%20b//%C3%BC?x=%26&y=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
    assert f"X-Ü: ä\r\nX-Name: {'é 日本'.encode().decode('latin-1')}\r\n" in head
    assert "Accept-Encoding: identity" in head


@pytest.mark.parametrize(
    ("parts", "status", "body"),
    [
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"], 302, b""),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"], 200, b"ok"),
        ([b"HTTP/1.1 103 Early\r\nX: 1\r\n\r\n", OK], 200, b"ok"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", b"x" * 2000], 200, b"x" * 1000),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", b"x" * 1000], 500, b"x" * 1000),
    ],
)
async def test_answers_of_every_kind(sender: HttpSender, parts: list[bytes], status: int, body: bytes) -> None:
    outcome = await answered(sender, *parts)
    assert (outcome.status, outcome.body, outcome.error) == (status, body, None)


async def test_a_body_without_a_length_ends_with_the_connection(sender: HttpSender) -> None:
    outcome = await answered(sender, b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)
    assert (outcome.status, outcome.body) == (200, b"all of it")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "closed before the response was complete"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], "closed before the response was complete"),
        ([b"this is no HTTP\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000 + b"\r\n\r\n"], "headers are larger than 2000 bytes"),
    ],
)
async def test_an_answer_that_is_none_is_told(sender: HttpSender, parts: list[bytes], reason: str) -> None:
    outcome = await answered(sender, *parts, close=True)
    assert outcome.status == 0
    assert reason in str(outcome.error)


async def test_an_endpoint_that_says_nothing_times_out(sender: HttpSender) -> None:
    outcome = await answered(sender, timeout_ms=100)
    assert (outcome.status, outcome.timed_out) == (0, True)
    assert outcome.error == "no complete response within 0.1 s"


async def test_an_endless_answer_times_out(sender: HttpSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endpoint.take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    endpoint = Endpoint(talk)
    outcome = await sender.send(outbound(await endpoint.start(), timeout_ms=200))
    endpoint.stop()
    assert outcome.timed_out


async def test_a_name_that_many_want_is_looked_up_once_at_a_time(
    sender: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look-up takes a thread, and there are few: a name whose server is silent would keep all others waiting."""
    answered = asyncio.Event()
    asked: list[str] = []

    async def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        if host == "silent.example":
            await answered.wait()
            raise OSError("no such host")
        return [(0, 0, 0, "", ("127.0.0.1", 9))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    urls = [*["http://silent.example/x"] * 20, "http://other.example:9/x"]
    attempts = [asyncio.ensure_future(sender.send(Outbound("POST", url, [], b"", 3000))) for url in urls]
    late = asyncio.ensure_future(sender.send(Outbound("POST", "http://silent.example/x", [], b"", 50)))
    assert (await late).timed_out
    assert sorted(set(asked)) == ["other.example", "silent.example"]
    assert asked.count("silent.example") == 1
    answered.set()
    errors = [str((await one).error) for one in attempts[:20]]
    assert set(errors) == {"cannot resolve silent.example: no such host"}
    assert (await attempts[20]).error == "connection refused"
    await sender.send(Outbound("POST", "http://silent.example/x", [], b"", 3000))
    assert asked.count("silent.example") == 2


async def test_nobody_there_is_told(sender: HttpSender) -> None:
    assert (await sender.send(outbound(1))).error == "connection refused"
    unknown = Outbound("GET", "http://nowhere.invalid/", [], b"", 3000)
    assert "cannot resolve nowhere.invalid" in str((await sender.send(unknown)).error)


async def test_a_kept_connection_that_was_closed_is_replaced(sender: HttpSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endpoint.take(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.wait_for(release.wait(), 5)

    release = asyncio.Event()
    endpoint = Endpoint(talk)
    port = await endpoint.start()
    assert (await sender.send(outbound(port))).status == 200
    release.set()
    assert (await sender.send(outbound(port))).status == 200
    endpoint.stop()
    assert endpoint.connections == 2


async def test_each_caller_gets_its_own_answer_however_many_ask(sender: HttpSender) -> None:
    """A pooled connection must not be handed on before its answer was read."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await endpoint.take(reader)
            body = request.rpartition(b"\r\n\r\n")[2]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            await writer.drain()
            writer.write(body)

    endpoint = Endpoint(talk)
    port = await endpoint.start()
    for _ in range(5):
        bodies = [str(number).encode() for number in range(40)]
        outcomes = await asyncio.gather(*(sender.send(outbound(port, body=body)) for body in bodies))
        assert [outcome.body for outcome in outcomes] == bodies
    endpoint.stop()


async def test_bytes_nobody_asked_for_end_the_connection(sender: HttpSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endpoint.take(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        await writer.drain()
        await endpoint.take(reader)
        writer.write(OK)

    endpoint = Endpoint(talk)
    port = await endpoint.start()
    assert [(await sender.send(outbound(port))).body for _ in range(2)] == [b"ok", b"ok"]
    endpoint.stop()


@pytest.mark.parametrize(
    "more",
    [
        {"headers": [("X", "a\r\nEvil: 1")]},
        {"headers": [("X\nEvil", "1")]},
        {"headers": [("X", "a\0b")]},
        {"url": "http://user:secret@127.0.0.1/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://"},
        {"url": "http://127.0.0.1:99999/"},
    ],
)
async def test_what_must_not_be_sent_is_not(sender: HttpSender, more: dict[str, object]) -> None:
    values = {"method": "GET", "url": "http://127.0.0.1:1/", "headers": [], "body": b"", "timeout_ms": 1000}
    outcome = await sender.send(Outbound(**(values | more)))  # type: ignore[arg-type]
    assert outcome.status == 0
    assert outcome.error
    assert outcome.error != "connection refused"
    assert "secret" not in outcome.error


async def test_tls_is_verified() -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_tls)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endpoint.take(reader)
        writer.write(OK)
        await writer.drain()

    endpoint = Endpoint(talk)
    port = await endpoint.start(server_tls)
    strict, trusting = HttpSender(LIMITS), HttpSender(LIMITS)
    authority.configure_trust(trusting._tls)
    request = Outbound("POST", f"https://localhost:{port}/", [], b"", 3000)
    assert "certificate not accepted" in str((await strict.send(request)).error)
    assert (await trusting.send(request)).status == 200
    wrong_name = Outbound("POST", f"https://127.0.0.1:{port}/", [], b"", 3000)
    assert "certificate not accepted" in str((await trusting.send(wrong_name)).error)
    await strict.close()
    await trusting.close()
    endpoint.stop()


async def test_the_guard_holds_at_connect_time() -> None:
    guarded = HttpSender(SenderLimits(Policy()))
    for url in ("http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/"):
        outcome = await guarded.send(Outbound("GET", url, [], b"", 1000))
        assert "endpoint resolves to a loopback address" in str(outcome.error)
    await guarded.close()


async def test_a_sign_of_life_begins_the_wait_anew(sender: HttpSender) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endpoint.take(reader)
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.6
        while loop.time() < end:
            request.alive_at = loop.time()
            await asyncio.sleep(0.05)
        writer.write(OK)
        await writer.drain()

    endpoint = Endpoint(talk)
    request = outbound(await endpoint.start(), timeout_ms=200)
    assert (await sender.send(request)).status == 200
    endpoint.stop()
