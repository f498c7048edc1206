"""Pages that renew themselves: their living part is sent again, by server-sent events, whenever it has changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ringback.errors import RingbackError

EVERY_S = 2.0
LIFETIME_S = 600.0
"""A stream ends after this time; the browser opens another, and its session is looked at again."""
MOST = 100
_AT_ONCE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""nginx passes on at once what says so in its head, and waits for more of anything else."""


class Live:
    """Sends fragments to those who watch, a bounded number of them."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every = every_s
        self._watching = 0

    def stream(self, fragment: Callable[[], Awaitable[str]]) -> Response:
        """Return a stream of what `fragment` makes, each time it is something else."""
        if self._watching >= MOST:
            return PlainTextResponse("too many pages are being watched", 503)
        return StreamingResponse(self._events(fragment), headers=_AT_ONCE, media_type="text/event-stream")

    async def _events(self, fragment: Callable[[], Awaitable[str]]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + LIFETIME_S
        last = ""
        self._watching += 1
        try:
            while loop.time() < end:
                try:
                    html = await fragment()
                    event = b": nothing new\n\n" if html == last else b"data: %s\n\n" % json.dumps(html).encode()
                    last = html
                except RingbackError as error:
                    event = b"event: trouble\ndata: %s\n\n" % json.dumps(str(error)).encode()
                yield event
                await asyncio.sleep(self._every)
        finally:
            self._watching -= 1
