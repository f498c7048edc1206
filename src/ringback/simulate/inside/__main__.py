"""One instance: `python -m ringback.simulate.inside SETTINGS`, a JSON object; reports go to the descriptor it names."""

import ctypes
import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn

from ringback.simulate.inside.loading import NotAnApplication, interface_of, load
from ringback.simulate.inside.reports import Reports
from ringback.simulate.inside.serving import Handler, Watched, serve_on_a_thread
from ringback.simulate.inside.sockets import open_connections
from ringback.simulate.inside.state import Memory
from ringback.simulate.inside.work import unfinished
from ringback.simulate.inside.writes import Writes

_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36


class _Instance:
    """The application and what watches it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self._reports = Reports(told["descriptor"])
        self._guard = Writes(self._reports, told["writable"], refuse=told["read_only"]).watch()
        self._app = load(told["target"])
        self._interface = interface_of(self._app, told["platform"])
        self._memory = Memory(Path.cwd(), self._app)
        self._port = 0

    def run(self) -> None:
        """Serve until the process is ended."""
        handler = Handler(self._app, dict(os.environ)) if self._interface == "lambda" else None
        watched = Watched(handler or self._asgi(), self._ended, until_return=self._told["ends_with"] == "return")
        server = _Announcing(
            uvicorn.Config(watched, port=0, log_level="error", interface="asgi3", loop="asyncio", http="httptools")
        )
        server.started_at = self._started
        if handler is None:
            server.run()
        else:
            serve_on_a_thread(server.run)
            handler.run()

    def _asgi(self) -> Any:
        if self._interface == "asgi":
            return self._app
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(self._app, workers=self._told["concurrency"])

    def _started(self, port: int) -> None:
        self._port = port
        self._reports.say(
            "ready",
            port=port,
            interface=self._interface,
            guard=self._guard,
            work=unfinished(self._serving()),
            state=self._memory.start(),
        )

    def _ended(self, request_id: str, alone: bool) -> None:
        self._reports.say(
            "end",
            request=request_id,
            work=unfinished(self._serving()) if alone else None,
            connections=open_connections(self._port),
            state=self._memory.changed(),
        )

    @staticmethod
    def _serving() -> frozenset[int]:
        return frozenset(one.ident or 0 for one in threading.enumerate() if one.name == "ringback-simulate")


class _Announcing(uvicorn.Server):
    started_at: Any

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.started_at(self.servers[0].sockets[0].getsockname()[1])


def _prepare(told: dict[str, Any]) -> None:
    """Take the platform's limits on; on Linux, die with the simulator and keep hold of orphaned children."""
    if told["open_files"]:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = told["open_files"] if most == resource.RLIM_INFINITY else min(told["open_files"], most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        system.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)


def main() -> None:
    """Run the instance."""
    told = json.loads(sys.argv[1])
    _prepare(told)
    try:
        instance = _Instance(told)
    except (NotAnApplication, ModuleNotFoundError) as error:
        sys.exit(f"{told['target']} could not be loaded: {error}")
    instance.run()


if __name__ == "__main__":
    main()
