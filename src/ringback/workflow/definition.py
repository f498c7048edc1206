"""A workflow and how it is served, as values."""

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, TypedDict, Unpack

from ringback.client.addresses import check_address
from ringback.client.options import RunOptions
from ringback.client.transport import AsyncTransport
from ringback.workflow.blocking import BlockingContext
from ringback.workflow.context import Context
from ringback.workflow.failure import Failure
from ringback.workflow.middleware import Middleware

WorkflowFunction = Callable[[Context[Any]], Awaitable[Any]] | Callable[[BlockingContext[Any]], Any]
FailureFunction = Callable[[Failure[Any]], Awaitable[Any]] | Callable[[Failure[Any]], Any]


class ServeOptions(TypedDict, total=False):
    """How a workflow is served; every adapter takes these as keywords.

    Keys:
        failure_function: called with a `Failure` when a run has failed for good; what it returns is logged.
        schema: type of the payload; taken from `Context[...]` in the function's annotation unless given.
        payload_parser: makes the payload from the text it came as, instead of a schema.
        base_url: public scheme and host, where the request does not tell (`UPSTASH_WORKFLOW_URL`).
        url: the workflow's whole public URL.
        transport: the broker to talk to; from the environment (`QSTASH_URL`, `QSTASH_TOKEN`) unless given.
        signing_keys: keys that deliveries may be signed with (`QSTASH_CURRENT_SIGNING_KEY`, `QSTASH_NEXT_SIGNING_KEY`);
            an empty sequence accepts everybody and belongs to tests only.
        middlewares: told of what happens.
        run_options: how runs are delivered that are started by posting to the endpoint itself.
        env: where settings are read; the process environment unless given.
    """

    failure_function: FailureFunction
    schema: Any
    payload_parser: Callable[[str], Any]
    base_url: str
    url: str
    transport: AsyncTransport
    signing_keys: Sequence[str]
    middlewares: Sequence[Middleware]
    run_options: RunOptions
    env: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Workflow:
    """A function with all that is needed to serve it.

    Attributes:
        function: plain or async, with the context as its only argument.
        options: see `ServeOptions`.
    """

    function: WorkflowFunction
    options: ServeOptions = field(default_factory=ServeOptions)

    def __call__(self, context: Any) -> Any:
        """Call the function itself, as other code may."""
        function: Callable[[Any], Any] = self.function
        return function(context)

    def with_defaults(self, options: ServeOptions) -> "Workflow":
        """Return the workflow with options for those it does not have."""
        return replace(self, options=ServeOptions(**{**options, **self.options}))

    @property
    def env(self) -> Mapping[str, str]:
        """Where settings are read."""
        return self.options.get("env", os.environ)


def workflow(function: WorkflowFunction, **options: Unpack[ServeOptions]) -> Workflow:
    """Return a function with options of its own, for `serve_many`.

    Raises:
        TypeError, ValueError: it is no workflow, or an option is wrong; the text names it.
    """
    return _checked(Workflow(function, options))


def as_workflow(function: WorkflowFunction | Workflow, options: ServeOptions) -> Workflow:
    """Return what is to be served, with the options for serving it.

    Raises:
        TypeError, ValueError: as `workflow` does.
    """
    known = function if isinstance(function, Workflow) else Workflow(function)
    return _checked(known.with_defaults(options))


def _checked(workflow: Workflow) -> Workflow:
    _check_function(workflow.function)
    _check_options(workflow.options)
    return workflow


def _check_function(function: object) -> None:
    if inspect.iscoroutine(function):
        function.close()
        raise TypeError(f"{function.__qualname__} was called: serve the function itself")
    if not callable(function):
        raise TypeError(f"a workflow is a function that takes the context, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__qualname__", function)
        raise TypeError(f"{name} is a generator, and a workflow returns its result: have no `yield` in it")


def _check_options(options: ServeOptions) -> None:
    for name in options:
        if name not in ServeOptions.__optional_keys__:
            near = get_close_matches(name, ServeOptions.__optional_keys__, 1)
            raise TypeError(f"workflows have no option {name!r}" + (f"; there is {near[0]!r}" if near else ""))
    for name in ("failure_function", "payload_parser"):
        if not callable(options.get(name, callable)):
            raise TypeError(f"{name} must be a function, not {options.get(name)!r}")
    for name in ("base_url", "url"):
        check_address(options.get(name) or "https://", name)
    if isinstance(options.get("signing_keys"), str | bytes):
        raise TypeError(
            "signing_keys must be a sequence of keys and not a single text: each of its letters would be a key"
        )
    if not isinstance(options.get("run_options", RunOptions()), RunOptions):
        raise TypeError(f"run_options must be RunOptions(...), not {options.get('run_options')!r}")
    if not hasattr(options.get("transport", AsyncTransport), "send"):
        raise TypeError(f"transport must be an AsyncTransport, not {options.get('transport')!r}")
    _check_middlewares(options.get("middlewares", ()))


def _check_middlewares(middlewares: object) -> None:
    if not isinstance(middlewares, Sequence):
        raise TypeError(f"middlewares must be a list, not {middlewares!r}")
    for member in middlewares:
        if isinstance(member, type):
            raise TypeError(
                f"middlewares takes objects: write {member.__qualname__}() in place of {member.__qualname__}"
            )
