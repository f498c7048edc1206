"""Running the function of a step: asynchronous ones here, blocking ones in a thread, and within their time."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from ringback.client.durations import seconds
from ringback.workflow.errors import WorkflowError
from ringback.workflow.pending import inside_step
from ringback.workflow.steps import StepOptions
from ringback.workflow.values import encode


async def result_of(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: StepOptions,
    annotation: object,
) -> dict[str, Any]:
    """Run a step's function, and return the fields of its result on the wire.

    Raises:
        NotSerializable: the result is not what the annotation promises.
        Exception: see `run_function`.
    """
    try:
        value = await run_function(name, function, args, kwargs, options)
    except options.raises as error:
        return {"out": "null", "ringbackRaised": {"error": type(error).__name__, "message": str(error)}}
    return {"out": encode(value, annotation, f"the result of step {name!r}")}


async def run_function(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: StepOptions
) -> Any:
    """Return what a step's function returns.

    Raises:
        TimeoutError: it took longer than its options allow.
        WorkflowError: it tried to end the process.
        Exception: whatever it raises.
    """
    limit = None if options.timeout is None else seconds(options.timeout, f"the timeout of step {name!r}")
    token = inside_step.set(name)
    try:
        async with asyncio.timeout(limit) if limit is not None else nullcontext():
            if is_async(function):
                return await function(*args, **kwargs)
            value = await asyncio.to_thread(function, *args, **kwargs)
            return await value if inspect.isawaitable(value) else value
    except SystemExit as error:
        raise WorkflowError(
            f"step {name!r} called sys.exit({error.code!r}), which would have ended the server"
        ) from None
    except TimeoutError as error:
        if error.args or limit is None:
            raise  # the function's own
        raise TimeoutError(f"step {name!r} took longer than its timeout of {limit:g} s") from None
    finally:
        inside_step.reset(token)


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling the function gives something to await."""
    while hasattr(function, "func") and not inspect.isfunction(function):  # functools.partial
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
