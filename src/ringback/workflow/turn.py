"""One delivery's turn with the code of a workflow: follow it, and do what the delivery is for."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from ringback.client.durations import seconds
from ringback.client.transport import AsyncTransport
from ringback.wire.steps import Step
from ringback.workflow import effects
from ringback.workflow.blocking import run_blocking
from ringback.workflow.context import Context
from ringback.workflow.definition import Workflow
from ringback.workflow.effects import Effect
from ringback.workflow.errors import Misuse, NonRetryableError, WorkflowError
from ringback.workflow.executing import is_async
from ringback.workflow.facts import Facts
from ringback.workflow.following import Announce, Canceled, Finish, Perform, Purpose, follow
from ringback.workflow.journal import Journal
from ringback.workflow.middleware import Middlewares
from ringback.workflow.pending import PendingSteps
from ringback.workflow.promises import promised
from ringback.workflow.steps import Invoke, Run
from ringback.workflow.values import encode
from ringback.workflow.watching import step_watch

T = TypeVar("T")


class Turn:
    """What happens in one step delivery.

    Attributes:
        step: name of the step whose function was called, for the report of an error.
        retry_after: wait before the next try in seconds, where that step asks for it.
    """

    def __init__(
        self,
        workflow: Workflow,
        facts: Facts,
        transport: AsyncTransport,
        middlewares: Middlewares,
        siblings: Mapping[str, Workflow],
    ) -> None:
        self._workflow = workflow
        self._facts = facts
        self._transport = transport
        self._middlewares = middlewares
        self._siblings = siblings
        self.step: str | None = None
        self.retry_after: float | None = None

    async def take(self, journal: Journal, payload: object) -> Effect:
        """Return what this delivery brings about.

        Raises:
            Exception: whatever the workflow's code or a step's function raises.
        """
        context = self._context(journal, payload)
        context.pending_steps.in_thread = not self._middlewares and step_watch.get() is None
        if not journal.steps:
            await self._middlewares.tell("run_started", context)
        return await self._follow(journal, context, partial(self._act, context))

    async def foresee(self, journal: Journal, payload: object) -> Purpose:
        """Return what a delivery of this journal would be for, and do nothing of it.

        Raises:
            Exception: whatever the workflow's code raises.
        """
        return await self._follow(journal, self._context(journal, payload), _leave)

    def _context(self, journal: Journal, payload: object) -> Context[Any]:
        return Context(payload, self._facts, PendingSteps(journal), self._transport)

    async def _follow(self, journal: Journal, context: Context[Any], act: Callable[[Purpose], Awaitable[T]]) -> T:
        arrived = partial(self._middlewares.tell, "after_execution", context)
        return await follow(journal, context.pending_steps, self._code(context), act, arrived)

    async def _code(self, context: Context[Any]) -> Any:
        function: Callable[[Any], Any] = self._workflow.function
        try:
            return await (function(context) if is_async(function) else run_blocking(function, context))
        except SystemExit as error:
            raise WorkflowError(
                f"the workflow called sys.exit({error.code!r}), which would have ended the server"
            ) from None

    async def _act(self, context: Context[Any], purpose: Purpose) -> Effect:
        run = self._facts.run
        match purpose:
            case Finish(result):
                await self._middlewares.tell("run_completed", context, result)
                annotation = promised(self._workflow.function)
                text = None if result is None else encode(result, annotation, "the workflow's result")
                return effects.finish(run, text)
            case Canceled():
                return effects.cancel(run)
            case Announce(asked, first):
                return effects.announce(run, asked, first)
            case Perform(asked, number, concurrent):
                if isinstance(asked, Run):
                    return await self._execute(context, asked, number, concurrent)
                url = self._child_url(asked) if isinstance(asked, Invoke) else ""
                return effects.start_step(self._facts, asked, number, concurrent, url)
        return effects.NOTHING

    async def _execute(self, context: Context[Any], asked: Run[Any], number: int, concurrent: int) -> Effect:
        self.step = asked.name
        options = asked.options
        if options.retry_delay is not None:
            self.retry_after = seconds(options.retry_delay, f"the retry delay of step {asked.name!r}")
        await self._middlewares.tell("before_execution", context, asked.name)
        watch = step_watch.get()
        try:
            if watch is not None:
                watch.before(asked.name)
            more = await asked.function()
            if watch is not None:
                watch.after(asked.name)
        except NonRetryableError:
            raise
        except Exception as error:
            if options.retries is not None and self._facts.attempt >= options.retries:
                raise NonRetryableError(f"{type(error).__name__}: {error}") from error
            raise
        out = more.pop("out")
        step = Step(number, asked.name, asked.type, out, concurrent, None, more)
        return effects.complete(self._facts.run, step)

    def _child_url(self, asked: Invoke[Any]) -> str:
        wanted = asked.workflow
        if isinstance(wanted, str) and "://" in wanted:
            return wanted
        for name, workflow in self._siblings.items():
            if name == wanted or workflow is wanted or workflow.function is wanted:
                base, _, _ = self._facts.run.url.partition("?")
                return f"{base.rpartition('/')[0]}/{name}"
        raise Misuse(
            f"step {asked.name!r} invokes a workflow that is not served beside this one: serve both with serve_many, "
            "or give the other's URL"
        )


async def _leave(purpose: Purpose) -> Purpose:
    return purpose
