"""Being there when a step's function is called: for tests, which interrupt it or let it fail."""

from contextvars import ContextVar
from typing import Protocol


class StepWatch(Protocol):
    """Is asked before and after the function of a step runs; what it raises counts as raised by the step.

    A `BaseException` ends the delivery as the death of the process would: nothing catches it.
    """

    def before(self, step: str) -> None:
        """The function of a step is about to be called."""

    def after(self, step: str) -> None:
        """It has returned; nobody else knows of its result yet."""


step_watch: ContextVar[StepWatch | None] = ContextVar("step_watch", default=None)
"""Who watches the steps of the deliveries that are dealt with in this context."""
