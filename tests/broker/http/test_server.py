"""HTTP coming in, over real sockets, with peers that behave and peers that do not."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ringback.broker.api.connection import ServerLimits
from ringback.broker.api.server import Server
from ringback.errors import Refused
from ringback.wire.http import Request, Response

LIMITS = ServerLimits(head_bytes=2000, header_lines=20, body_bytes=1000, request_s=0.2, idle_s=0.2, connections=20)


class Peer:
    """A raw connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Read one response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""

    async def hang_up(self) -> None:
        self.writer.close()


class Listening:
    """A server that tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.gate: asyncio.Event | None = None
        self.server = Server(self.respond, host="127.0.0.1", port=0, limits=LIMITS)
        self.peers: list[Peer] = []

    def respond(self, request: Request) -> object:
        self.asked.append(request)
        if request.target == "/refused":
            raise Refused(418, "no")
        if request.target == "/broken":
            raise ValueError("secret detail")
        if request.target == "/large":
            return Response(200, [], bytes(30_000_000))  # more than the system holds for a peer
        if request.target.startswith("/later"):
            return self._later(request)
        return Response(200, [("X-Target", request.target)], request.body)

    async def _later(self, request: Request) -> Response:
        if self.gate is not None and request.target == "/later/first":
            await self.gate.wait()
        if request.target == "/later/broken":
            raise ValueError("secret detail")
        return Response(200, [], request.target.encode())

    async def connect(self) -> Peer:
        peer = Peer(*await asyncio.open_connection(*self.address))
        self.peers.append(peer)
        return peer


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    running = Listening()
    running.address = await running.server.start()  # type: ignore[attr-defined]
    yield running
    for peer in running.peers:
        peer.writer.close()
    await running.server.stop(1.0)


async def test_the_target_is_kept_raw_and_the_connection_alive(listening: Listening) -> None:
    peer = await listening.connect()
    for target in ("/v2/publish/https://h//a%20b?x=%26", "/two"):
        await peer.say(f"POST {target} HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nhi".encode())
        status, headers, body = await peer.hear()
        assert (status, headers["x-target"], body) == (200, target, b"hi")
    assert listening.asked[0].headers[1:3] == [("x-a", "1"), ("x-a", "2")]
    assert listening.asked[0].peer == "127.0.0.1"


async def test_pipelined_requests_are_answered_in_order(listening: Listening) -> None:
    listening.gate = asyncio.Event()
    peer = await listening.connect()
    await peer.say(b"".join(b"GET /later/%b HTTP/1.1\r\nHost: x\r\n\r\n" % name for name in (b"first", b"second")))
    await peer.say(b"GET /third HTTP/1.1\r\nHost: x\r\n\r\n")
    listening.gate.set()
    bodies = [(await peer.hear())[2] for _ in range(2)]
    assert bodies == [b"/later/first", b"/later/second"]
    assert (await peer.hear())[1]["x-target"] == "/third"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://x:1/v2/publish/https://y//z?a=b", "/v2/publish/https://y//z?a=b"),
        (b"HTTPS://x/", "/"),
        (b"http://x", "/"),
        (b"http://x?a=/b", "/?a=/b"),
        (b"/http://x/y", "/http://x/y"),
    ],
)
async def test_a_target_may_name_the_server_too(listening: Listening, target: bytes, path: str) -> None:
    peer = await listening.connect()
    await peer.say(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert (await peer.hear())[1]["x-target"] == path


async def test_a_target_as_it_was_typed_is_taken_percent_encoded(listening: Listening) -> None:
    peer = await listening.connect()
    typed = "POST /v2/publish/https://x.example/ü%20/?q=日 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n".encode()
    for _ in range(2):
        await peer.say(typed + "é!".encode())
        status, headers, body = await peer.hear()
        assert (status, headers["x-target"]) == (200, "/v2/publish/https://x.example/%C3%BC%20/?q=%E6%97%A5")
        assert body == "é!".encode()


async def test_blanks_around_a_value_are_none_of_it(listening: Listening) -> None:
    peer = await listening.connect()
    await peer.say(b"GET / HTTP/1.1\r\nHost: x\r\nUpstash-Retries: \t 3 \t \r\nEmpty:  \r\n\r\n")
    assert (await peer.hear())[0] == 200
    assert listening.asked[0].headers[1:] == [("upstash-retries", "3"), ("empty", "")]


async def test_a_chunked_body_is_joined(listening: Listening) -> None:
    peer = await listening.connect()
    await peer.say(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (await peer.hear())[2] == b"abcde"


async def test_who_waits_for_a_word_gets_it(listening: Listening) -> None:
    peer = await listening.connect()
    await peer.say(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    await peer.say(b"ok")
    assert (await peer.hear())[2] == b"ok"


async def test_a_head_request_gets_no_body_and_http_10_a_close(listening: Listening) -> None:
    peer = await listening.connect()
    await peer.say(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.0\r\n\r\n")
    head = await peer.reader.readuntil(b"\r\n\r\n")
    assert b"X-Target: /h" in head
    assert (await peer.hear())[1]["connection"] == "close"
    assert await peer.is_closed()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"G\xffT / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff", 400),
        (b"GET /\xff HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 2000), 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 21 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001, 413),
    ],
)
async def test_what_cannot_be_taken_is_refused_in_json_and_closed(
    listening: Listening, request_: bytes, status: int
) -> None:
    peer = await listening.connect()
    await peer.say(request_)
    got, headers, body = await peer.hear()
    assert (got, headers["content-type"]) == (status, "application/json")
    assert json.loads(body)["error"]
    assert await peer.is_closed()


async def test_an_upgrade_is_not_taken_but_the_request_is_answered(listening: Listening) -> None:
    peer = await listening.connect()
    await peer.say(b"GET /up HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    assert (await peer.hear())[1]["x-target"] == "/up"
    assert await peer.is_closed()


@pytest.mark.parametrize("size", [999, 1000])
async def test_a_body_at_the_limit_is_taken(listening: Listening, size: int) -> None:
    peer = await listening.connect()
    await peer.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    assert len((await peer.hear())[2]) == size


@pytest.mark.parametrize("target", ["/broken", "/later/broken"])
async def test_an_error_tells_nothing_of_its_inside(
    listening: Listening, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await listening.connect()
    await peer.say(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    status, _, body = await peer.hear()
    assert (status, json.loads(body)) == (500, {"error": "internal error"})
    assert "failed" in caplog.text


@pytest.mark.parametrize("start", [b"", b"GET / HTT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nslow"])
async def test_a_peer_that_takes_too_long_is_sent_away(listening: Listening, start: bytes) -> None:
    peer = await listening.connect()
    await peer.say(start)
    rest = await asyncio.wait_for(peer.reader.read(), 5)
    assert (b" 408 " in rest) == bool(start)


async def test_a_peer_that_vanishes_harms_nobody(listening: Listening) -> None:
    listening.gate = asyncio.Event()
    gone = await listening.connect()
    await gone.say(b"GET /later/first HTTP/1.1\r\nHost: x\r\n\r\n")
    while not listening.asked:
        await asyncio.sleep(0)
    gone.writer.transport.abort()
    listening.gate.set()
    peer = await listening.connect()
    await peer.say(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await peer.hear())[0] == 200


async def test_beyond_the_limit_of_connections_peers_are_turned_away(listening: Listening) -> None:
    peers = [await listening.connect() for _ in range(20)]
    await peers[-1].say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await peers[-1].hear())[0] == 200
    late = await listening.connect()
    assert await late.is_closed()


async def test_a_peer_that_never_reads_its_answers_is_sent_away_in_the_end(listening: Listening) -> None:
    """Closing waits for what has not gone out: such peers would take every connection there is, for ever."""
    peer = await listening.connect()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await peer.say(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        while not listening.asked:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while listening.server.connections:
            await asyncio.sleep(0.02)


async def test_those_who_show_no_token_share_one_room_for_large_bodies() -> None:
    limits = replace(LIMITS, body_bytes=1_000_000, strangers_bytes=100_000, request_s=5.0, idle_s=5.0)
    server = Server(
        lambda request: Response(200, [], str(len(request.body)).encode()),
        host="127.0.0.1",
        port=0,
        limits=limits,
        knows=lambda request: request.header("authorization") == "Bearer good",
    )
    address = await server.start()
    peers = [Peer(*await asyncio.open_connection(*address)) for _ in range(4)]
    first, second, known, small = peers
    try:
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n"
        await first.say(head + b"\r\n" + b"x" * 60_000)
        while server.strangers.held < 40_000:
            await asyncio.sleep(0.01)
        await second.say(head + b"\r\n" + b"x" * 80_000)
        assert (await second.hear())[0] == 503
        await known.say(head + b"Authorization: Bearer good\r\n\r\n" + b"x" * 90_000)
        assert (await known.hear())[::2] == (200, b"90000")
        await small.say(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000)
        assert (await small.hear())[::2] == (200, b"9000")
        await first.say(b"x" * 30_000)
        assert (await first.hear())[::2] == (200, b"90000")
        async with asyncio.timeout(5):
            while server.strangers.held:
                await asyncio.sleep(0.01)
    finally:
        for peer in peers:
            peer.writer.close()
        await server.stop(1.0)


async def test_stopping_lets_requests_in_flight_finish(listening: Listening) -> None:
    listening.gate = asyncio.Event()
    peer = await listening.connect()
    await peer.say(b"GET /later/first HTTP/1.1\r\nHost: x\r\n\r\n")
    while not listening.asked:
        await asyncio.sleep(0)
    stopping = asyncio.create_task(listening.server.stop(5.0))
    await asyncio.sleep(0)
    listening.gate.set()
    assert (await peer.hear())[0] == 200
    await stopping
    with pytest.raises(ConnectionError):
        await listening.connect()
