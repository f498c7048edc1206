"""One address in front of several brokers that come and go: each connection goes to one of those that are there."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

_TRIES = 50


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _reach(targets: Callable[[], list[str]]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(_TRIES):
        there = targets()
        if there:
            place = urlsplit(random.choice(there))
            with suppress(OSError):
                return await asyncio.open_connection(place.hostname, place.port)
        await asyncio.sleep(0.1)
    raise ConnectionError("no broker is there")


@contextmanager
def balancing(targets: Callable[[], list[str]]) -> Iterator[str]:
    """Listen for the length of a block; gives the address.

    Args:
        targets: the addresses of those who are there at the moment.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # in the end all are canceled; a stream's own callback would complain of it
        with suppress(ConnectionError, asyncio.CancelledError), closing(writer):
            back, onward = await _reach(targets)
            with closing(onward):
                await asyncio.gather(_pass_on(reader, onward), _pass_on(back, writer))

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(forward, "127.0.0.1", 0), loop).result(10)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
