"""Answers that come bit by bit, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringback.broker.api.connection import ServerLimits
from ringback.broker.api.server import Server
from ringback.wire.http import Request, Stream

LIMITS = ServerLimits(idle_s=0.3, streams=2)


class Source:
    """Something that goes on for ever, and notes when nobody listens any more."""

    def __init__(self, chunk: bytes, most: int | None = None) -> None:
        self.chunk, self.most = chunk, most
        self.closed = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        given = 0
        try:
            while self.most is None or given < self.most:
                yield self.chunk
                given += 1
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def answer(self, _: Request) -> Stream:
        return Stream(200, [("Content-Type", "text/event-stream")], self.chunks())


@asynccontextmanager
async def listening(source: Source) -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    server = Server(source.answer, host="127.0.0.1", port=0, limits=LIMITS)
    address = await server.start()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    yield server, reader, writer
    writer.close()
    await server.stop(1.0)


async def test_a_stream_ends_with_its_connection() -> None:
    async with listening(Source(b"data: 1\n\n", most=3)) as (_, reader, _w):
        answer = await asyncio.wait_for(reader.read(), 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in head
    assert body == b"data: 1\n\n" * 3


async def test_a_stream_is_closed_when_nobody_listens_any_more() -> None:
    source = Source(b"data: 1\n\n")
    async with listening(source) as (_, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await asyncio.wait_for(source.closed.wait(), 5)


async def test_who_reads_nothing_is_given_up() -> None:
    source = Source(b"x" * 100_000)
    async with listening(source) as (_, reader, writer):
        writer.transport.pause_reading()
        await asyncio.wait_for(source.closed.wait(), 10)
        writer.transport.abort()
        del reader


async def test_streams_are_bounded() -> None:
    source = Source(b"data: 1\n\n")
    async with listening(source) as (server, reader, _):
        await reader.readuntil(b"\r\n\r\n")
        others = [await asyncio.open_connection(*server._listener.sockets[0].getsockname()) for _ in range(2)]
        heads = []
        for other_reader, other_writer in others:
            other_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            heads.append(await asyncio.wait_for(other_reader.readuntil(b"\r\n"), 5))
        assert [head[:12] for head in heads] == [b"HTTP/1.1 200", b"HTTP/1.1 503"]
        for _, other_writer in others:
            other_writer.transport.abort()


async def test_a_server_that_stops_ends_its_streams() -> None:
    source = Source(b"data: 1\n\n")
    async with listening(source) as (server, reader, _):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(server.stop(5.0), 4)
        assert source.closed.is_set()
