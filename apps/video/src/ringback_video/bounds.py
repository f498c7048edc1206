"""How large a request may be: whoever sends it, it is read whole before anybody looks who that is."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback_video.photos import MOST_BYTES

MOST_REQUEST = MOST_BYTES + 1024 * 1024
"""A photo, and what a form has around it."""


class Bounded:
    """Refuses bodies that are larger than anything Studio takes, as soon as that is known.

    Args:
        app: what is guarded.
        larger: paths that have a limit of their own.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        self._app = app
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger.get(scope["path"], MOST_REQUEST)
        told, size = Headers(scope=scope).get("content-length", ""), 0
        length = int(told) if told.isascii() and told.isdigit() else 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if max(size, length) > most:
                raise HTTPException(413, f"A request has at most {most // 1024 // 1024} MB.")
            return message

        await self._app(scope, bounded, send)
