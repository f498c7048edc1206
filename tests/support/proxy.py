"""A way to a server that can be cut: nothing goes through any more, and nobody is told."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Way:
    """Forwards connections from a free port of 127.0.0.1 to another one, as long as it is whole."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._whole.set()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        made = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._forward, "127.0.0.1", 0), self._loop)
        self._server = made.result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Let nothing through."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Let everything through, also what has gathered."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def stop(self) -> None:
        """Close everything."""

        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        for end in (back, writer):
            end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """Run a way for the length of a block."""
    way = Way(port)
    way.start()
    try:
        yield way
    finally:
        way.mend()
        way.stop()
