"""Steps between being asked for and having a result: they are awaited like coroutines, and gathered into groups."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from ringback.workflow.errors import DeliveryEnded, Misuse, NotSerializable, StepFailed
from ringback.workflow.journal import Journal
from ringback.workflow.replay import recall
from ringback.workflow.steps import Asked, Cancel, Run

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
    `context.parallel`. It counts as asked for when its await begins.

    Attributes:
        asked: what is asked for.
        was_awaited: whether its await has begun.
    """

    def __init__(self, asked: Asked[T], steps: "PendingSteps") -> None:
        outer = inside_step.get()
        if outer is not None:
            raise Misuse(
                f"step {asked.name!r} was asked for inside step {outer!r}: a step is one unit and cannot hold others. "
                f"Call the function itself, or ask for {asked.name!r} after {outer!r}"
            )
        if not isinstance(asked.name, str):
            raise Misuse(f"the name of a step comes first and is text, not {asked.name!r}")
        self.asked = asked
        self.was_awaited = False
        self._steps = steps
        self._coroutine: Coroutine[Any, Any, T] | None = None
        steps.described.append(self)

    def recall(self) -> tuple[T] | None:
        """Return what `PendingSteps.recall` does, which then stands for the await; called by the workflow's own code."""
        if self.was_awaited:
            return None
        self.was_awaited = True
        known = self._steps.recall(self.asked)
        self.was_awaited = known is not None
        return known

    def execute(self, run: Callable[[Run[T]], Run[T] | None]) -> bool:
        """Let `run` execute the step at once, if it is what the delivery is for; tells whether that has been done.

        `run` gives the step with a function that tells what came of it, None if it does not execute it.
        """
        steps = self._steps
        if isinstance(self.asked, Run) and not self.was_awaited and steps.is_due_in_thread():
            steps.execute(partial(run, self.asked))
        return steps.executed is not None

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
        if self.was_awaited:
            raise Misuse(f"step {self.asked.name!r} was awaited twice: keep its result in a variable instead")
        known = self.recall() if self._steps.are_asked_by_code() else None
        return known[0] if known else (yield from self._started().__await__())

    def _started(self) -> Coroutine[Any, Any, T]:
        if self._coroutine is None:
            self.was_awaited = True
            self._coroutine = self._steps.ask(self.asked)
        return self._coroutine


class PendingSteps:
    """All the steps of one delivery that have no result yet.

    Attributes:
        loop: the event loop of the delivery.
        described: the steps that must be awaited some day.
        number: the place in the run of the next step that is asked for, from 1.
        arrived: name and result of the step that caused this delivery, once the code has been given it back.
        in_thread: whether code that runs in a thread of its own may run the function of a step there, too.
        executing, executed: whether it does so now, and the step of which it has; its function gives what came of that.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.described: list[PendingStep[Any]] = []
        self._waiting: list[tuple[Asked[Any], asyncio.Future[Any]]] = []
        self._futures: list[asyncio.Future[Any]] = []
        self._others: set[asyncio.Task[Any]] = set()
        self.loop = asyncio.get_running_loop()
        self._arrival: asyncio.Future[None] | None = None
        self._code: asyncio.Task[Any] | None = None
        self._over = False
        self.number = 1
        self.arrived: tuple[str, Any] | None = None
        self.in_thread = False
        self.executing = False
        self.executed: Run[Any] | None = None

    def follow(self, code: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Let the code run that asks for the steps."""
        self._code = task = self.loop.create_task(code)
        task.add_done_callback(self._wake)
        return task

    def are_asked_by_code(self) -> bool:
        """Tell whether it is the code itself that runs, not a task it has started."""
        return asyncio.current_task(self.loop) is self._code

    async def ask(self, asked: Asked[T]) -> T:
        """Wait for the result of a step."""
        if self._over:
            raise DeliveryEnded
        self._remember_task()
        future: asyncio.Future[T] = self.loop.create_future()
        self._futures.append(future)
        self._waiting.append((asked, future))
        self._wake()
        return await future

    def recall(self, asked: Asked[T]) -> tuple[T] | None:
        """Return the recorded result of a step that the code itself asks for, if it was asked for alone then, too.

        Nothing else can belong to it now, so nobody need wait until that is sure. None where there is no such result,
        or one that makes trouble: those are dealt with like all the others.

        Raises:
            StepFailed: the step ended with an error that it was allowed to end with.
        """
        step = recall(self._journal, self.number, asked.name, asked.type)
        if step is None or isinstance(asked, Cancel) or self._over or self._have_others():
            return None
        try:
            result = asked.read(step)
        except NotSerializable:
            return None
        except StepFailed:
            self.number += 1
            raise
        self.number += 1
        if step is self._journal.last:
            self.arrived = asked.name, result
        return (result,)

    def is_due_in_thread(self) -> bool:
        """Tell whether a step that the code asks for in its thread is what this delivery is for, and may run there."""
        return self.in_thread and not self._have_others() and self._journal.named(self.number) is None

    def execute(self, run: Callable[[], Run[Any] | None]) -> None:
        """Run a step in the thread of the code; what other threads ask for meanwhile has to wait, and gets nothing after it."""
        self.executing = True
        self.executed = run()
        self.executing = False
        if self.executed is not None and self._waiting:  # the code may wait for those threads while it is unwound
            self.loop.call_soon_threadsafe(self._wake)

    async def group(self, code: "asyncio.Task[Any]") -> list[tuple[Asked[Any], asyncio.Future[Any]]]:
        """Return the steps that are asked for together, once the code goes no further without them.

        Empty when the code has ended, or has executed the step it asked for. A change marker comes alone, before everything that
        was asked for with it.

        Raises:
            Misuse: the code gave up a step by itself.
        """
        while not code.done() and self.executed is None and (self.executing or not self._waiting):
            self._arrival = self.loop.create_future()
            await self._arrival
        if self.executed is not None:
            return []
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
        names = [step.asked.name for step in self.described if not step.was_awaited]
        names += [asked.name for asked, future in self._waiting if not future.cancelled()]
        if names:
            raise Misuse(
                f"the workflow returned, but step {names[0]!r} was never awaited: write `await` before it, as in "
                "`await context.run(...)`, or await the group it belongs to"
            )

    async def end(self, code: "asyncio.Task[Any]", wait_s: float = 10) -> None:
        """Unwind the code: this delivery needs it no longer."""
        self._over = True
        self.in_thread = False
        code.cancel()
        for future in self._futures:
            future.cancel()
        tasks = {code, *self._others}
        if not code.done():
            await asyncio.sleep(0)  # code that awaits a step ends now; all else takes its time
        if unfinished := [task for task in tasks if not task.done()]:
            await asyncio.wait(unfinished, timeout=wait_s)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen: else the event loop complains about it later
        # A task holds its error, which holds the code, which holds the context: let all of it go at once, without the
        # garbage collector
        for held in (self.described, self._waiting, self._futures, self._others):
            held.clear()
        self._code = None

    def _remember_task(self) -> None:
        """Remember the task that asks, if the code has started it; not in `ask` itself, whose errors would hold it."""
        task = asyncio.current_task(self.loop)
        if task is not None and task is not self._code:
            self._others.add(task)

    def _have_others(self) -> bool:
        """Tell whether tasks the code has started, and that have asked for steps, are still at it."""
        return bool(self._others) and not all(task.done() for task in list(self._others))

    def _check_not_timed_out(self, code: "asyncio.Task[Any]") -> None:
        dropped = [asked.name for asked, future in self._waiting if future.cancelled()]
        if dropped and not code.cancelled() and isinstance(code.exception(), TimeoutError):
            raise Misuse(
                f"step {dropped[0]!r} was cancelled by the workflow's own code: put no asyncio.timeout around a step, "
                "give the step a timeout: context.step(timeout=...).run(...)"
            )

    async def _settle(self, code: "asyncio.Task[Any]") -> None:
        quiet = 0
        while quiet < (_QUIET_TURNS if self._others else _QUIET_TURNS_ALONE) and not code.done():
            known = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0

    def _wake(self, _: object = None) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
