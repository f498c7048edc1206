"""Being told of what happens in workflows: for logs, metrics and traces (protocol workflow 7.4)."""

import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringback.workflow.context import Context

logger = logging.getLogger("ringback.workflow")


class Middleware:
    """Override what you want to be told; methods may be plain or async. What they raise is logged and harms no run."""

    def run_started(self, context: "Context[Any]") -> Any:
        """A run makes its first delivery; told again when that is repeated."""

    def before_execution(self, context: "Context[Any]", step: str) -> Any:
        """The function of a step is about to be called."""

    def after_execution(self, context: "Context[Any]", step: str, result: Any) -> Any:
        """The result of a step has been recorded."""

    def run_completed(self, context: "Context[Any]", result: Any) -> Any:
        """The workflow returned; its result is about to be recorded."""

    def failed(self, run_id: str, error: BaseException) -> Any:
        """A delivery failed; the broker decides whether there is another try."""


class Logging(Middleware):
    """Logs each of these happenings: `serve(app, path, workflow, middlewares=[Logging()])`.

    Args:
        to: where to; `ringback.workflow` unless given, which tells of failures anyway.
        level: of what goes well.
    """

    def __init__(self, to: logging.Logger = logger, level: int = logging.INFO) -> None:
        self._logger = to
        self._level = level

    def run_started(self, context: "Context[Any]") -> None:
        """See `Middleware`."""
        self._tell("%s started at %s", context, context.url)

    def before_execution(self, context: "Context[Any]", step: str) -> None:
        """See `Middleware`."""
        self._tell("%s executes step %r, try %d", context, step, context.attempt + 1)

    def after_execution(self, context: "Context[Any]", step: str, result: Any) -> None:  # noqa: ARG002 - may be secret
        """See `Middleware`."""
        self._tell("%s has the result of step %r", context, step)

    def run_completed(self, context: "Context[Any]", result: Any) -> None:  # noqa: ARG002 - may be secret
        """See `Middleware`."""
        self._tell("%s returned", context)

    def failed(self, run_id: str, error: BaseException) -> None:
        """See `Middleware`."""
        if self._logger is not logger:
            self._logger.warning("%s failed: %s: %s", run_id or "a delivery", type(error).__name__, error)

    def _tell(self, text: str, context: "Context[Any]", *args: object) -> None:
        run = context.workflow_run_id
        self._logger.log(self._level, text, run, *args, extra={"run": run})


class Middlewares:
    """Tells all of them."""

    def __init__(self, members: Sequence[Middleware]) -> None:
        self._members = members

    def __bool__(self) -> bool:
        return bool(self._members)

    async def tell(self, what: str, *args: Any) -> None:
        """Call the method `what` of each."""
        for member in self._members:
            try:
                said = getattr(member, what)(*args)
                if inspect.isawaitable(said):
                    await said
            except Exception:
                logger.exception("a middleware failed", extra={"middleware": type(member).__name__, "event": what})
