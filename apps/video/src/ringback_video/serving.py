"""The server that `video-studio serve` runs."""

import contextlib
import socket
import sys

import uvicorn
from fastapi import FastAPI

from ringback_video.api.jobs import end_streams


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve an application until it is told to stop; what cannot be started ends the program."""
    server = _Server(app, uvicorn.Config(app, host, port, log_level="warning", timeout_graceful_shutdown=5))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)


class _Server(uvicorn.Server):
    """Waits for requests under way when it stops, but not for streams of events: those last as long as a browser looks."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_streams(self._app)
        await super().shutdown(sockets)
