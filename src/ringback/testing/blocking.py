"""The test broker for blocking tests: its event loop runs in a thread, each method waits for its answer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from ringback.client import WorkflowClient
from ringback.testing.answers import Stub
from ringback.testing.attempts import Delivered
from ringback.testing.broker import AsyncTestBroker
from ringback.testing.seen import SeenRun

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[AsyncTestBroker, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["TestBroker", P], T]:
    def blocking(self: "TestBroker", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.wait(method(self.awaitable, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class TestBroker:
    """A broker in this process for blocking tests; see `AsyncTestBroker`, whose methods these are.

        with TestBroker() as broker:
            run = broker.trigger(remind, {"mail": "ada@example.com"})
            broker.run_to_end()
            assert run.result == "reminded"

    Args:
        at: where its clock begins; now unless given.
        awaitable, loop: a broker that is open already, and the event loop (of another thread) on which it is.

    Attributes:
        awaitable: the same broker for asynchronous code on its own event loop.
    """

    __test__ = False  # pytest: this is no test class

    def __init__(
        self,
        *,
        at: datetime | None = None,
        awaitable: AsyncTestBroker | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.awaitable = awaitable or AsyncTestBroker(at=at)
        self._loop = loop
        self._thread: threading.Thread | None = None
        self._client: WorkflowClient | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ringback test broker", daemon=True)
        self._thread.start()
        self.wait(self.awaitable.open())
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        if self._loop is None or self._thread is None:
            return
        try:
            self.wait(self.awaitable.close())
            self.wait(self._loop.shutdown_default_executor())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def wait(self, awaitable: Coroutine[Any, Any, T]) -> T:
        """Return the result of what runs on the broker's event loop."""
        if self._loop is None:
            awaitable.close()
            raise RuntimeError("open the broker first: with TestBroker() as broker: ...")
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                awaitable.close()
                raise AssertionError("this code runs on the broker's own event loop: use broker.awaitable there")
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result()

    trigger = _blocking(AsyncTestBroker.trigger)
    publish = _blocking(AsyncTestBroker.publish)
    notify = _blocking(AsyncTestBroker.notify)
    call_webhook = _blocking(AsyncTestBroker.call_webhook)
    run_until_idle = _blocking(AsyncTestBroker.run_until_idle)
    turn = _blocking(AsyncTestBroker.turn)
    run_to_end = _blocking(AsyncTestBroker.run_to_end)

    @property
    def client(self) -> WorkflowClient:
        """A client of it."""
        if self._client is None:
            self._client = WorkflowClient(self.awaitable.address())
        return self._client

    @property
    def runs(self) -> list[SeenRun]:
        """All runs, oldest first."""
        return self.awaitable.runs

    @property
    def delivered(self) -> list[Delivered]:
        """Every request it has made, oldest first."""
        return self.awaitable.delivered

    @property
    def now(self) -> datetime:
        """The time on its clock."""
        return self.awaitable.now

    @property
    def url(self) -> str:
        """Its address."""
        return self.awaitable.url

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that name it."""
        return self.awaitable.environment

    def serve(self, workflow: Any, *, name: str | None = None, **options: Any) -> str:
        """Serve a workflow and return its URL; see `AsyncTestBroker.serve`."""
        return self.awaitable.serve(workflow, name=name, **options)

    def mount(self, app: Any, base: str = "https://app.test") -> str:
        """Let an ASGI or WSGI application answer; see `AsyncTestBroker.mount`."""
        return self.awaitable.mount(app, base)

    def stub(self, where: str, *answers: Any) -> Stub:
        """Say what comes back from a service; see `AsyncTestBroker.stub`."""
        return self.awaitable.stub(where, *answers)

    def fail(self, step: str, times: int = 1, error: Exception | None = None) -> None:
        """Let the next calls of a step's function fail; see `AsyncTestBroker.fail`."""
        self.awaitable.fail(step, times, error)

    def plan_event(self, event_id: str, data: object = None) -> None:
        """Send an event as soon as a run waits for it; see `AsyncTestBroker.plan_event`."""
        self.awaitable.plan_event(event_id, data)

    def plan_webhook(self, step: str, body: object = None) -> None:
        """Call a webhook as soon as the run waits for it; see `AsyncTestBroker.plan_webhook`."""
        self.awaitable.plan_webhook(step, body)

    def connect(self, client: Any) -> None:
        """Let a client of the official `qstash` package reach this broker; see `AsyncTestBroker.connect`."""
        self.awaitable.connect(client)
