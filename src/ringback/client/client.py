"""The workflow clients: each API call as a method, blocking or awaitable."""

from collections.abc import Callable, Coroutine
from typing import Concatenate, ParamSpec, Self, TypeVar

from ringback.client import dead_letters as dlq
from ringback.client import diagnosis, events, runs
from ringback.client.calls import Call
from ringback.client.settings import Broker
from ringback.client.transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(make: Callable[P, Call[T]]) -> Callable[Concatenate["WorkflowClient", P], T]:
    def method(self: "WorkflowClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.transport.send(make(*args, **kwargs))

    method.__doc__ = make.__doc__
    return method


def _awaitable(make: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncWorkflowClient", P], Coroutine[None, None, T]]:
    def method(self: "AsyncWorkflowClient", /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[None, None, T]:
        return self.transport.send(make(*args, **kwargs))

    method.__doc__ = make.__doc__
    return method


class WorkflowClient:
    """Starts, steers and watches runs.

    >>> with WorkflowClient() as client:
    ...     run = client.trigger(url="https://shop.example/api/order", body={"id": 7781})

    Args:
        broker: which one; from the environment (`QSTASH_URL`, `QSTASH_TOKEN`) unless given.

    Every method raises `Refused` when the broker says no and `BrokerUnreachable` when it gives no answer.
    """

    def __init__(self, broker: Broker | None = None) -> None:
        self.transport = Transport(broker or Broker.from_env())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.transport.close()

    trigger = _blocking(runs.trigger)
    trigger_many = _blocking(runs.trigger_many)
    cancel = _blocking(runs.cancel)
    cancel_where = _blocking(runs.cancel_where)
    cancel_all = _blocking(runs.cancel_all)
    logs = _blocking(runs.logs)
    notify = _blocking(events.notify)
    waiters = _blocking(events.waiters)
    why = _blocking(diagnosis.why)
    stalled = _blocking(diagnosis.stalled)
    dead_letters = _blocking(dlq.dead_letters)
    resume = _blocking(dlq.resume)
    restart = _blocking(dlq.restart)
    resume_where = _blocking(dlq.resume_where)
    resume_all = _blocking(dlq.resume_all)
    restart_where = _blocking(dlq.restart_where)
    restart_all = _blocking(dlq.restart_all)
    delete_dead_letters = _blocking(dlq.delete_dead_letters)
    delete_dead_letters_where = _blocking(dlq.delete_dead_letters_where)
    delete_all_dead_letters = _blocking(dlq.delete_all_dead_letters)
    rerun_failure_function = _blocking(dlq.rerun_failure_function)


class AsyncWorkflowClient:
    """Starts, steers and watches runs without blocking; see `WorkflowClient`.

    >>> async with AsyncWorkflowClient() as client:
    ...     run = await client.trigger(url="https://shop.example/api/order", body={"id": 7781})
    """

    def __init__(self, broker: Broker | None = None) -> None:
        self.transport = AsyncTransport(broker or Broker.from_env())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections of this event loop back."""
        await self.transport.close()

    trigger = _awaitable(runs.trigger)
    trigger_many = _awaitable(runs.trigger_many)
    cancel = _awaitable(runs.cancel)
    cancel_where = _awaitable(runs.cancel_where)
    cancel_all = _awaitable(runs.cancel_all)
    logs = _awaitable(runs.logs)
    notify = _awaitable(events.notify)
    waiters = _awaitable(events.waiters)
    why = _awaitable(diagnosis.why)
    stalled = _awaitable(diagnosis.stalled)
    dead_letters = _awaitable(dlq.dead_letters)
    resume = _awaitable(dlq.resume)
    restart = _awaitable(dlq.restart)
    resume_where = _awaitable(dlq.resume_where)
    resume_all = _awaitable(dlq.resume_all)
    restart_where = _awaitable(dlq.restart_where)
    restart_all = _awaitable(dlq.restart_all)
    delete_dead_letters = _awaitable(dlq.delete_dead_letters)
    delete_dead_letters_where = _awaitable(dlq.delete_dead_letters_where)
    delete_all_dead_letters = _awaitable(dlq.delete_all_dead_letters)
    rerun_failure_function = _awaitable(dlq.rerun_failure_function)
