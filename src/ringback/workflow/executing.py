"""Running the function of a step: asynchronous ones here, blocking ones in a thread, and within their time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ringback.client.durations import seconds
from ringback.workflow.errors import Misuse, NotSerializable, WorkflowError
from ringback.workflow.pending import inside_step
from ringback.workflow.promises import unreadable
from ringback.workflow.steps import StepOptions
from ringback.workflow.values import encode


@dataclass(slots=True)
class StepCall:
    """The function of a step with its arguments; calling it runs it and gives the fields of its result on the wire.

    Attributes:
        name: of the step.
        function, args, kwargs: what is called.
        options: how.
        annotation: type of the result.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: StepOptions
    annotation: object

    async def __call__(self) -> dict[str, Any]:
        """Run it: asynchronous functions here, blocking ones in a thread.

        Raises:
            NotSerializable: the result is not what the annotation promises.
            TimeoutError: it took longer than its options allow.
            WorkflowError: it tried to end the process.
            Exception: whatever it raises.
        """
        try:
            value = await self._value()
        except self.options.raises as error:
            return _raised(error)
        return self._fields(value)

    def may_block(self) -> bool:
        """Tell whether it can as well be run with `block`."""
        return self.options.timeout is None and self.options.retry_delay is None and not is_async(self.function)

    def block(self, wait: Callable[[Awaitable[Any]], Any]) -> dict[str, Any]:
        """Run it in this thread; `wait` gives the result of what has to be awaited.

        Raises:
            Exception: as above.
        """
        try:
            with _inside(self.name):
                value = self.function(*self.args, **self.kwargs)
                if inspect.isawaitable(value):
                    value = wait(value)
        except self.options.raises as error:
            return _raised(error)
        return self._fields(value)

    async def _value(self) -> Any:
        timeout = self.options.timeout
        limit = None if timeout is None else seconds(timeout, f"the timeout of step {self.name!r}")
        try:
            with _inside(self.name):
                async with asyncio.timeout(limit) if limit is not None else nullcontext():
                    return await run_plainly(self.function, *self.args, **self.kwargs)
        except TimeoutError as error:
            if error.args or limit is None:
                raise  # the function's own
            raise TimeoutError(f"step {self.name!r} took longer than its timeout of {limit:g} s") from None

    def _fields(self, value: object) -> dict[str, Any]:
        try:
            return {"out": encode(value, self.annotation, f"the result of step {self.name!r}")}
        except NotSerializable as error:
            why = unreadable(self.function) if self.annotation is Any else None
            if why is None:
                raise
            raise NotSerializable(
                f"{error}. The annotation it has cannot be read: {why}. Have that name in the module, and not under "
                "TYPE_CHECKING or in a function"
            ) from None


def check_function(step: str, function: object) -> None:
    """Refuse what is no function for a step.

    Raises:
        Misuse: it was called in place of being handed over, or is something else.
    """
    if inspect.iscoroutine(function):
        function.close()
        raise Misuse(
            f"the function of step {step!r} was called: hand it over with its arguments, as in "
            f"context.run({step!r}, {function.__name__}, ...)"
        )
    if not callable(function):
        raise Misuse(
            f"step {step!r} needs a function to call, not a {type(function).__qualname__}: write "
            "context.run(name, function, ...)"
        )


def _raised(error: Exception) -> dict[str, Any]:
    return {"out": "null", "ringbackRaised": {"error": type(error).__name__, "message": str(error)}}


@contextmanager
def _inside(step: str) -> Iterator[None]:
    token = inside_step.set(step)
    try:
        yield
    except SystemExit as error:
        raise WorkflowError(
            f"step {step!r} called sys.exit({error.code!r}), which would have ended the server"
        ) from None
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        raise WorkflowError(f"step {step!r} waited for something of its own that had been cancelled") from None
    finally:
        inside_step.reset(token)


async def run_plainly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function: async here, blocking in a thread.

    Raises:
        RuntimeError: a blocking one raised `StopIteration`, which no future can carry: whoever waited would wait for ever.
        Exception: whatever else it raises.
    """
    if is_async(function):
        return await function(*args, **kwargs)
    value = await asyncio.to_thread(_call, function, args, kwargs)
    return await value if inspect.isawaitable(value) else value


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        name = getattr(function, "__qualname__", repr(function))
        raise RuntimeError(f"{name} raised StopIteration: give next() a default, or catch it") from error


def _is_cancelled() -> bool:
    """Tell whether somebody wants this task to end, as a server does whose client is gone; no thread is one."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is None or task.cancelling() > 0


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling the function gives something to await."""
    while hasattr(function, "func") and not inspect.isfunction(function):  # functools.partial
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
