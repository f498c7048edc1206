"""Answers whose body comes bit by bit, such as server-sent events: written as fast as the other end reads, and no faster."""

import asyncio
import logging
from collections.abc import Callable

from ringback.wire.http import Stream

_log = logging.getLogger("ringback.server")


class Streaming:
    """One such answer on its way.

    Args:
        answer: what is sent.
        write: takes bytes for the other end.
        patience: seconds the other end may read nothing while there is something for it.

    Attributes:
        task: ends when nothing more comes.
    """

    def __init__(self, answer: Stream, write: Callable[[bytes], None], patience: float) -> None:
        self._answer = answer
        self._write = write
        self._patience = patience
        self._writable = asyncio.Event()
        self._writable.set()
        self.task = asyncio.get_running_loop().create_task(self._pump())

    def pause(self) -> None:
        """The other end reads too slowly."""
        self._writable.clear()

    def resume(self) -> None:
        """The other end has caught up."""
        self._writable.set()

    def cancel(self) -> None:
        """Stop; the source is closed."""
        self.task.cancel()

    async def _pump(self) -> None:
        chunks = self._answer.chunks
        try:
            async for chunk in chunks:
                self._write(chunk)
                async with asyncio.timeout(self._patience):
                    await self._writable.wait()
        except TimeoutError:
            pass
        except Exception:  # noqa: BLE001 - whatever the source runs into, the connection must be closed
            _log.exception("a stream broke off")
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
