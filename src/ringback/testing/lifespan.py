"""The lifespan of an ASGI application in a test: begun before its first request, ended with the broker."""

import asyncio
import contextvars
from collections.abc import MutableMapping
from typing import Any

_PATIENCE_S = 30


class LifespanFailed(AssertionError):
    """An application said that it could not start, or raised while it did."""


class Lifespan:
    """Begins and ends an application; one that knows no lifespan is left in peace.

    Args:
        app: the application.

    Attributes:
        state: what it put into the lifespan's state; each request gets a copy.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._begun: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def begin(self) -> None:
        """Begin, once.

        Raises:
            LifespanFailed: the application cannot.
        """
        if self._begun is None:
            self._begun = asyncio.ensure_future(self._start())
        await self._begun

    async def end(self) -> None:
        """End what was begun."""
        if self._task is None or self._task.done():
            return
        await self._to_app.put({"type": "lifespan.shutdown"})
        await asyncio.wait({self._task}, timeout=_PATIENCE_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        apart = contextvars.Context()  # it belongs to no delivery
        running = self._app(scope, self._to_app.get, self._from_app.put)
        self._task = task = asyncio.get_running_loop().create_task(_awaited(running), context=apart)
        await self._to_app.put({"type": "lifespan.startup"})
        said = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({task, said}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        if said.done():
            message = said.result()
            if message["type"] == "lifespan.startup.failed":
                raise LifespanFailed(message.get("message") or "the application could not start")
            return
        said.cancel()
        if not task.done():
            task.cancel()
            raise LifespanFailed(f"the application has not started within {_PATIENCE_S} s")
        task.exception()  # it knows no lifespan: seen, so that nobody complains


async def _awaited(running: Any) -> None:
    await running
