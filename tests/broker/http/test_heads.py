"""Heads that come again: what is read from them is what the parser reads, however the bytes are cut."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any, cast

import pytest

from ringback.broker.api.connection import Connection as Incoming
from ringback.broker.api.server import Server
from ringback.broker.engine.connection import Connection as Outgoing
from ringback.broker.engine.connection import ConnectionClosed, Said
from ringback.wire.heads import Heads
from ringback.wire.http import Outcome, Request, Response
from support.transport import Transport

REQUESTS = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nworld",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\r\n\r\n.",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
]
LAST = [
    b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
    b"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /a\r\n\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 No\r\nX-B: 1\r\nContent-Length: 4\r\n\r\nfour",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + b"x" * 64,
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more than that",
]


class Forgetful(Heads[Any]):
    """Knows nothing: the parser reads everything."""

    def find(self, data: bytes) -> None:
        return None


class Counting(Heads[Any]):
    """Counts what it knew."""

    known = 0

    def find(self, data: bytes) -> tuple[Any, bytes] | None:
        found = super().find(data)
        self.known += found is not None
        return found


def cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Cut bytes into pieces: often at the end of a head, else anywhere."""
    while data:
        end = data.find(b"\r\n\r\n") + 4
        size = end if end > 3 and chance.random() < 0.4 else chance.randint(1, len(data))
        yield data[:size]
        data = data[size:]


def pieces_of_requests(chance: random.Random) -> list[bytes]:
    pieces: list[bytes] = []
    for _ in range(60):
        several = b"".join(chance.choices(REQUESTS, k=chance.choice((1, 1, 1, 2))))
        pieces += cut(several, chance) if chance.random() < 0.4 else [several]
    return [*pieces, chance.choice(LAST)]


def served(pieces: list[bytes], heads: Heads[Any]) -> tuple[list[tuple[Any, ...]], list[bytes]]:
    """Return what a server was asked, and what it answered."""
    asked: list[tuple[Any, ...]] = []

    def respond(request: Request) -> Response:
        asked.append((request.method, request.target, request.headers, request.body, request.peer))
        assert request.once("target", lambda: request.target) == request.target
        return Response(200, [], request.body)

    server = Server(respond, host="", port=0)
    server.heads = heads
    connection, transport = Incoming(server), Transport()
    connection.connection_made(cast("asyncio.BaseTransport", transport))
    for piece in pieces:
        connection.data_received(piece)
    return asked, transport.sent


async def test_a_server_is_asked_the_same_with_heads_that_came_before() -> None:
    heads = Counting()
    for seed in range(300):
        pieces = pieces_of_requests(random.Random(seed))
        assert served(pieces, heads) == served(pieces, Forgetful()), seed
    assert heads.known > 3000


async def answers(pieces: list[bytes], heads: Heads[Said], *, expects_body: bool) -> tuple[Outcome | str, bool]:
    """Return what came of a request whose response comes in pieces, and whether the connection may be used again."""
    connection, transport = Outgoing(heads, 1024, 32), Transport()
    connection.connection_made(cast("asyncio.BaseTransport", transport))
    sent = asyncio.ensure_future(connection.request(b"...", lambda: 1e12, expects_body=expects_body))
    await asyncio.sleep(0)
    for piece in pieces:
        if not sent.done() and not connection.closed:
            connection.data_received(piece)
    reusable = connection.reusable
    connection.connection_lost(None)
    try:
        return await sent, reusable
    except ConnectionClosed as error:
        return str(error), reusable


async def test_an_outcome_is_the_same_with_heads_that_came_before() -> None:
    heads = Counting()
    for seed in range(3000):
        chance = random.Random(seed)
        response, expects_body = chance.choice(RESPONSES), chance.random() < 0.9
        if not expects_body and chance.random() < 0.5:
            response = response[: response.find(b"\r\n\r\n") + 4]
        pieces = list(cut(response, chance)) if chance.random() < 0.4 else [response]
        with_heads = await answers(pieces, heads, expects_body=expects_body)
        assert with_heads == await answers(pieces, Forgetful(), expects_body=expects_body), seed
    assert heads.known > 500


def test_a_head_is_known_when_it_has_come_twice() -> None:
    heads = Heads[str]()
    message = b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
    for _ in range(2):
        assert heads.find(message) is None
        heads.learn(message, b"ab", lambda: "said")
    assert heads.find(message[:-2] + b"cd") == ("said", b"cd")
    assert heads.find(message[:-1]) is None
    assert heads.find(message + b"G") is None


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_remembered_is_bounded(times: int) -> None:
    heads = Heads[int]()
    for number in range(50_000):
        for _ in range(times):
            heads.learn(b"GET /%d HTTP/1.1\r\nX: %b\r\n\r\n" % (number, b"x" * 900), b"", lambda: 1)
    assert len(heads._seen) <= 2 * 8192 + 2
    assert len(heads._known) <= 2 * 4 * 1024 * 1024 / 900 + 2
    assert (len(heads._known) > 4000) == (times > 1)


def test_a_head_that_is_too_long_is_not_remembered() -> None:
    heads = Heads[int]()
    long = b"GET / HTTP/1.1\r\nX: " + b"x" * 4096 + b"\r\n\r\n"
    for _ in range(3):
        heads.learn(long, b"", lambda: 1)
    assert heads.find(long) is None


def test_heads_that_are_needed_stay() -> None:
    heads = Heads[int]()
    kept = b"GET /kept HTTP/1.1\r\n\r\n"
    for number in range(30_000):
        heads.learn(kept, b"", lambda: 7)
        for _ in range(2):
            heads.learn(b"GET /%d HTTP/1.1\r\nX: %b\r\n\r\n" % (number, b"x" * 900), b"", lambda: 1)
        assert number == 0 or heads.find(kept) == (7, b"")


async def test_bytes_behind_a_response_end_the_connection() -> None:
    outcome, reusable = await answers([RESPONSES[-1]], Heads(), expects_body=True)
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.body, reusable) == (200, b"ok", False)
