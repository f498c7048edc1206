"""Steps between being asked for and having a result: they are awaited like coroutines, and gathered into groups."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

from ringback.workflow.errors import DeliveryEnded, Misuse
from ringback.workflow.steps import Asked

T = TypeVar("T")

# Steps asked for before so many turns of the event loop bring no further one belong to one parallel group. Nested
# gathers and task groups need a few turns to start their members; code that asks by itself, in no other task, needs
# fewer. Other numbers would regroup the steps of runs in flight.
_QUIET_TURNS = 8
_QUIET_TURNS_ALONE = 2

inside_step: ContextVar[str | None] = ContextVar("inside_step", default=None)
"""Name of the step whose function is running here."""


class PendingStep(Coroutine[Any, Any, T]):
    """A step that has been described and not yet been asked for: await it, or hand it to gather, a task group or
    `context.parallel`. It counts as asked for when its await begins."""

    def __init__(self, asked: Asked[T], steps: "PendingSteps") -> None:
        outer = inside_step.get()
        if outer is not None:
            raise Misuse(
                f"step {asked.name!r} was asked for inside step {outer!r}: a step is one unit and cannot hold others. "
                f"Call the function itself, or ask for {asked.name!r} after {outer!r}"
            )
        self.asked = asked
        self._steps = steps
        self._coroutine: Coroutine[Any, Any, T] | None = None
        steps.describe(self)

    @property
    def was_awaited(self) -> bool:
        """Whether its await has begun."""
        return self._coroutine is not None

    def send(self, value: Any, /) -> Any:
        """Advance; used by the event loop."""
        return self._started().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error at the await; used by the event loop."""
        return self._started().throw(*error)

    def close(self) -> None:
        """Give up; used by the event loop."""
        if self._coroutine is not None:
            self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        if self._coroutine is not None:
            raise Misuse(f"step {self.asked.name!r} was awaited twice: keep its result in a variable instead")
        return self._started().__await__()

    def _started(self) -> Coroutine[Any, Any, T]:
        if self._coroutine is None:
            self._coroutine = self._steps.ask(self)
        return self._coroutine


class PendingSteps:
    """All the steps of one delivery that have no result yet.

    Attributes:
        loop: the event loop of the delivery.
    """

    def __init__(self) -> None:
        self._described: list[PendingStep[Any]] = []
        self._waiting: list[tuple[Asked[Any], asyncio.Future[Any]]] = []
        self._futures: list[asyncio.Future[Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.loop = asyncio.get_running_loop()
        self._arrival = self.loop.create_future()
        self._over = False

    def describe(self, step: PendingStep[Any]) -> None:
        """Remember a step that must be awaited some day."""
        self._described.append(step)

    async def ask(self, step: PendingStep[T]) -> T:
        """Wait for the result of a step."""
        if self._over:
            raise DeliveryEnded
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        future: asyncio.Future[T] = self.loop.create_future()
        self._futures.append(future)
        self._waiting.append((step.asked, future))
        self._wake()
        return await future

    async def group(self, code: "asyncio.Task[Any]") -> list[tuple[Asked[Any], asyncio.Future[Any]]]:
        """Return the steps that are asked for together, once the code goes no further without them.

        Empty when the code has ended. A change marker comes alone, before everything that was asked for with it.

        Raises:
            Misuse: the code gave up a step by itself.
        """
        while not code.done() and not self._waiting:
            code.add_done_callback(self._wake)
            await self._arrival
            self._arrival = self.loop.create_future()
            code.remove_done_callback(self._wake)
        await self._settle(code)
        if code.done():
            self._check_not_timed_out(code)
            return []
        # What the code gave up by itself, as a failing task group does with its other members, it will not wait for
        self._waiting = [pair for pair in self._waiting if not pair[1].cancelled()]
        if not self._waiting:
            return await self.group(code)
        markers = [pair for pair in self._waiting if pair[0].is_marker][:1]
        group = markers or self._waiting
        self._waiting = [pair for pair in self._waiting if pair not in group]
        return group

    def check_all_awaited(self) -> None:
        """Let the code end only when nothing is left undone.

        Raises:
            Misuse: a step was described or started, and its result never awaited.
        """
        names = [step.asked.name for step in self._described if not step.was_awaited]
        names += [asked.name for asked, future in self._waiting if not future.cancelled()]
        if names:
            raise Misuse(
                f"the workflow returned, but step {names[0]!r} was never awaited: write `await context.run(...)`, or "
                "await the group it belongs to"
            )

    async def end(self, code: "asyncio.Task[Any]", wait_s: float = 10) -> None:
        """Unwind the code: this delivery needs it no longer."""
        self._over = True
        code.cancel()
        for future in self._futures:
            future.cancel()
        done, _ = await asyncio.wait({code, *self._tasks}, timeout=wait_s)
        for task in done:
            if not task.cancelled():
                task.exception()  # seen: else the event loop complains about it later

    def _check_not_timed_out(self, code: "asyncio.Task[Any]") -> None:
        dropped = [asked.name for asked, future in self._waiting if future.cancelled()]
        if dropped and not code.cancelled() and isinstance(code.exception(), TimeoutError):
            raise Misuse(
                f"step {dropped[0]!r} was cancelled by the workflow's own code: put no asyncio.timeout around a step, "
                "give the step a timeout: context.step(timeout=...).run(...)"
            )

    async def _settle(self, code: "asyncio.Task[Any]") -> None:
        quiet = 0
        while quiet < (_QUIET_TURNS_ALONE if self._tasks == {code} else _QUIET_TURNS) and not code.done():
            known = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0

    def _wake(self, _: object = None) -> None:
        if not self._arrival.done():
            self._arrival.set_result(None)
