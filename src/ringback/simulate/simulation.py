"""A simulation on a thread of its own: this file starts and ends one, for the command and for tests."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from ringback.simulate.deployment import Deployment
from ringback.simulate.findings import Finding
from ringback.simulate.front import Front, snapshot
from ringback.simulate.happenings import Happening
from ringback.simulate.instance import Application
from ringback.simulate.platforms import Platform
from ringback.simulate.report import Report

T = TypeVar("T")
_LIMIT_S = 30.0


class Simulation:
    """An application on a simulated platform, at an address of this machine. Use `simulated`.

    Attributes:
        url: where it is reached.
    """

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, deployment: Deployment) -> None:
        self.url = url
        self._loop, self._deployment = loop, deployment

    @property
    def findings(self) -> list[Finding]:
        """What would have gone wrong in production so far, the worst first."""
        return list(self.report().findings)

    def report(self) -> Report:
        """Return what there is to tell so far, all that was answered included."""
        if not self._loop.is_closed():
            self._wait_for(self._deployment.settle())
        return self._ask(self._deployment.report)

    def snapshot(self) -> dict[str, Any]:
        """Return the present state as `GET /_sim` does: instances, the last requests, numbers."""
        return self._ask(lambda: snapshot(self._deployment))

    def redeploy(self) -> None:
        """Give new requests to new instances, which load the code anew; old ones finish theirs."""
        self._wait_for(self._deployment.redeploy())

    def kill(self) -> None:
        """Kill every instance in the middle of what it does; returns when they are gone."""
        self._wait_for(self._deployment.kill())

    def _ask(self, question: Callable[[], T]) -> T:
        if self._loop.is_closed():
            return question()

        async def asked() -> T:
            return question()

        return self._wait_for(asked())

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_S)


@contextlib.contextmanager
def simulated(
    target: str,
    platform: Platform,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    inherits: bool = True,
    writable: Sequence[Path] = (),
    address: tuple[str, int] = ("127.0.0.1", 0),
    listen: Callable[[Happening], None] | None = None,
) -> Iterator[Simulation]:
    """Deploy an application for the length of a block; its report can be asked for afterwards, too.

    Args:
        target: `MODULE:APP`, an ASGI or WSGI application or a Lambda handler.
        platform: from `platform("vercel", duration_s=2)`.
        folder: where the module is imported from; the current one unless given.
        environment: further variables; `{url}` in a value becomes the deployment's address.
        inherits: whether the application gets the variables of this process, too.
        writable: folders that may be written beside the temporary one.
        address: host and port where it listens; port 0 takes a free one.
        listen: told everything that happens, on the simulation's thread.

    Raises:
        OSError: the address is taken.
    """
    with socket.create_server(address) as listening:
        host = f"{address[0]}:{listening.getsockname()[1]}"
        url = f"http://{host}"
        variables = {name: value.replace("{url}", url) for name, value in (environment or {}).items()}
        place = (folder or Path.cwd()).resolve()
        application = Application(target, place, variables, inherits, tuple(writable), host)
        started: Future[tuple[Simulation, Callable[[], None]]] = Future()

        def run() -> None:
            try:
                asyncio.run(_serve(url, application, platform, listening, listen, started))
            except BaseException as error:  # it belongs to the thread that waits
                if started.done():
                    raise
                started.set_exception(error)

        thread = threading.Thread(target=run, name="ringback-simulation")
        thread.start()
        simulation, stop = started.result()
        try:
            yield simulation
        finally:
            stop()
            thread.join()


async def _serve(
    url: str,
    application: Application,
    platform: Platform,
    listening: socket.socket,
    listen: Callable[[Happening], None] | None,
    started: "Future[tuple[Simulation, Callable[[], None]]]",
) -> None:
    loop = asyncio.get_running_loop()
    deployment = Deployment(application, platform, listen)
    config = uvicorn.Config(
        Front(deployment), log_level="critical", lifespan="off", loop="asyncio", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    stopping = asyncio.Event()
    started.set_result((Simulation(url, loop, deployment), lambda: _set(loop, stopping)))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await stopping.wait()
    server.should_exit = True
    await deployment.settle()
    await deployment.kill()
    await serving
    await deployment.close()


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)
