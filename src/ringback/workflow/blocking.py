"""Workflows as plain functions: their code runs in a thread of its own and blocks where async code awaits."""

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, overload

import httpx

from ringback.joining import result_of
from ringback.workflow.context import Context
from ringback.workflow.errors import DeliveryEnded
from ringback.workflow.executing import StepCall
from ringback.workflow.pending import PendingStep
from ringback.workflow.steps import Run

P = ParamSpec("P")
T = TypeVar("T")
PayloadT = TypeVar("PayloadT")


class Bridge:
    """Lets a thread wait for what happens on an event loop, until the delivery has ended.

    Attributes:
        thread: where the workflow's own code runs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.thread: threading.Thread | None = None
        self._loop = loop
        self._lock = threading.Lock()
        self._open: set[concurrent.futures.Future[Any]] = set()
        self._over = False

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Return the result of `awaitable`; called in the thread.

        Raises:
            DeliveryEnded: nobody waits for this code any more.
        """
        if self._over:
            raise DeliveryEnded
        if isinstance(awaitable, PendingStep) and threading.current_thread() is self.thread:
            known: tuple[T] | None = awaitable.recall()
            if known:
                return known[0]
            if awaitable.execute(self._execute):
                self._over = True  # what asks for more while it is unwound gets nothing
                raise DeliveryEnded
        with self._lock:
            if self._over:
                raise DeliveryEnded
            future = asyncio.run_coroutine_threadsafe(_await(awaitable), self._loop)
            self._open.add(future)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise DeliveryEnded from None
        finally:
            self._open.discard(future)

    def _execute(self, asked: Run[T]) -> Run[T] | None:
        """Run the function of a step in the thread of the code, which is faster than in another."""
        call = asked.function
        if not isinstance(call, StepCall) or not call.may_block():
            return None
        try:
            fields = call.block(self.wait)
        except BaseException as error:  # noqa: BLE001 - carried over to the event loop, whatever it is
            return replace(asked, function=partial(_raise, error))
        return replace(asked, function=partial(_give, fields))

    def close(self) -> None:
        """End all waiting; called on the event loop."""
        with self._lock:
            self._over = True
        for future in list(self._open):
            future.cancel()


def _blocking(
    method: Callable[Concatenate[Context[Any], P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["BlockingContext[Any]", P], T]:
    def blocking(self: "BlockingContext[Any]", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.bridge.wait(method(self.pending, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class BlockingContext(Generic[PayloadT]):
    """The context of a plain function: `Context`, with every step returning its result at once.

        def process(context: BlockingContext[Order]) -> str:
            charge = context.run("charge", charge_card, context.request_payload)
            context.sleep("a while", "10s")

    Attributes:
        pending: the context whose steps are not waited for; for groups:
            `context.parallel(context.pending.run("a", do_a), context.pending.run("b", do_b))`.

    The others are those of `Context`.
    """

    workflow_run_id: str
    workflow_run_created_at: int
    url: str
    headers: httpx.Headers
    labels: tuple[str, ...]
    label: str | None
    attempt: int
    env: Mapping[str, str]

    def __init__(self, pending: Context[PayloadT], bridge: Bridge) -> None:
        self.pending = pending
        self.bridge = bridge

    @property
    def request_payload(self) -> PayloadT:
        """What the run was started with."""
        return self.pending.request_payload

    def __getattr__(self, name: str) -> Any:
        """Return what an attribute of `Context` says."""
        return getattr(self.pending, name)

    def step(self, **options: Any) -> "BlockingContext[PayloadT]":
        """Return this context with options for its steps; see `Context.step`."""
        return BlockingContext(self.pending.step(**options), self.bridge)

    @overload
    def run(self, name: str, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def run(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def run(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a function as a step; see `Context.run`."""
        return self.bridge.wait(self.pending.run(name, function, *args, **kwargs))

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """Return the result of a step of `pending`, or of anything else that is awaited."""
        return self.bridge.wait(awaitable)

    def parallel(self, *steps: PendingStep[T]) -> tuple[T, ...]:
        """Do steps of `pending` side by side."""
        return self.bridge.wait(self.pending.parallel(*steps))

    sleep = _blocking(Context.sleep)
    sleep_until = _blocking(Context.sleep_until)
    call = _blocking(Context.call)
    wait_for_event = _blocking(Context.wait_for_event)
    notify = _blocking(Context.notify)
    create_webhook = _blocking(Context.create_webhook)
    wait_for_webhook = _blocking(Context.wait_for_webhook)
    cancel = _blocking(Context.cancel)
    patched = _blocking(Context.patched)
    heartbeat = _blocking(Context.heartbeat)

    def invoke(self, name: str, workflow: Any, **options: Any) -> Any:
        """Start another workflow and wait for its end; see `Context.invoke`."""
        return self.bridge.wait(self.pending.invoke(name, workflow, **options))


async def run_blocking(function: Callable[[Any], T], context: Context[Any]) -> T:
    """Run a plain workflow function to its end, or until this task is cancelled."""
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    over: asyncio.Future[T] = loop.create_future()
    surroundings = contextvars.copy_context()

    def work() -> None:
        try:
            result = surroundings.run(function, BlockingContext(context, bridge))
        except BaseException as error:  # noqa: BLE001 - carried over to the event loop, whatever it is
            loop.call_soon_threadsafe(_settle, over, None, error)
        else:
            loop.call_soon_threadsafe(_settle, over, result, None)

    # Not from a pool: a workflow waits in its thread for steps that need a thread, and a full pool would wait for ever
    bridge.thread = threading.Thread(target=work, name="ringback-workflow", daemon=True)
    bridge.thread.start()
    try:
        return await result_of(over)
    finally:
        bridge.close()
        await asyncio.wait({over})


async def _give(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


async def _raise(error: BaseException) -> NoReturn:
    raise error


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _settle(over: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if isinstance(error, StopIteration):
        error = RuntimeError(f"the workflow raised {error!r}")
    if error is None:
        over.set_result(result)
    else:
        over.set_exception(error)
        over.exception()  # seen: a workflow that was unwound has nobody to tell
