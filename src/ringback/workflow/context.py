"""What a workflow's code has in its hand: the run it belongs to, and the steps it can ask for."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

import httpx

from ringback.client import calls
from ringback.client.addresses import check_address
from ringback.client.durations import Duration, Moment, delay_expression, unix_seconds, wire_duration
from ringback.client.events import notify
from ringback.client.ids import random_name, run_id
from ringback.client.messages import ThirdParty
from ringback.client.options import RunOptions
from ringback.client.transport import AsyncTransport
from ringback.errors import Refused
from ringback.wire.steps import StepType, dump, load
from ringback.workflow import steps
from ringback.workflow.api import Api
from ringback.workflow.errors import Misuse
from ringback.workflow.executing import StepCall, check_function
from ringback.workflow.facts import Facts
from ringback.workflow.pending import PendingStep, PendingSteps
from ringback.workflow.promises import promised
from ringback.workflow.steps import NO_OPTIONS, StepOptions
from ringback.workflow.values import write

P = ParamSpec("P")
T = TypeVar("T")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
PayloadT = TypeVar("PayloadT")

_NO_OPTIONS = RunOptions()

logger = logging.getLogger("ringback.workflow")


class Context(Generic[PayloadT]):
    """What a workflow's code has in its hand.

    Each step is described by a call, and happens when it is awaited, alone or with others:

        order = await context.run("load order", load_order, order_id)
        await context.sleep("let it settle", "10s")
        a, b = await context.parallel(context.run("a", do_a), context.run("b", do_b))

    Attributes:
        request_payload: what the run was started with, as the type in `Context[...]` says.
        pending_steps: the steps that wait for a result; for the SDK's own use.
    """

    def __init__(
        self, request_payload: PayloadT, facts: Facts, pending: PendingSteps, transport: AsyncTransport
    ) -> None:
        self.request_payload = request_payload
        self._facts = facts
        self.pending_steps = pending
        self._transport = transport
        self._options = NO_OPTIONS

    @property
    def workflow_run_id(self) -> str:
        """The run's id, `wfr_...`."""
        return self._facts.run.id

    @property
    def workflow_run_created_at(self) -> int:
        """When the run was created, in milliseconds since the epoch."""
        return self._facts.created_at

    @property
    def url(self) -> str:
        """The workflow's own URL."""
        return self._facts.run.url

    @property
    def headers(self) -> httpx.Headers:
        """The headers the run was triggered with; names in any casing."""
        return self._facts.headers

    @property
    def labels(self) -> tuple[str, ...]:
        """The run's labels."""
        return self._facts.labels

    @property
    def label(self) -> str | None:
        """The run's first label."""
        return self._facts.labels[0] if self._facts.labels else None

    @property
    def attempt(self) -> int:
        """How often this delivery was tried before: 0 for the first time."""
        return self._facts.attempt

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables."""
        return self._facts.env

    @property
    def api(self) -> Api:
        """Calls to well-known APIs, such as `context.api.openai.chat(...)`."""
        return Api(self.call)

    def step(
        self,
        *,
        retries: int | None = None,
        retry_delay: Duration | None = None,
        timeout: Duration | None = None,
        result: Any = None,
        raises: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> "Context[PayloadT]":
        """Return this context with options for the steps that are run through it; see `StepOptions`.

        >>> await context.step(retries=1, timeout="30s").run("charge", charge, order)
        """
        errors: tuple[Any, ...] = tuple(raises) if isinstance(raises, tuple | list) else (raises,)
        for error in errors:
            if not (isinstance(error, type) and issubclass(error, Exception)):
                raise Misuse(f"the option raises of a step takes classes of errors, not {error!r}")
        if retries is not None and (isinstance(retries, bool | float | str) or retries < 0):
            raise Misuse(f"the retries of a step must be a whole number from 0 on, not {retries!r}")
        other = Context(self.request_payload, self._facts, self.pending_steps, self._transport)
        other._options = StepOptions(retries, retry_delay, timeout, result, errors)
        return other

    @overload
    def run(
        self, name: str, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> PendingStep[T]: ...
    @overload
    def run(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PendingStep[T]: ...
    def run(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> PendingStep[Any]:
        """Run a function as a step: its result is kept, and it is not called again once it has one.

        It is called at least once: a try whose answer is lost is repeated. Blocking functions run in a thread.

        Args:
            name: what the step is called in logs; must stay the same while runs are in flight.
            function: plain or async; the annotation of its result says how that is read back.
            *args, **kwargs: for the function.
        """
        check_function(name, function)
        options = self._options
        annotation = promised(function) if options.result is None else options.result
        does = StepCall(name, function, args, kwargs, options, annotation)
        read = partial(steps.read_json, annotation)
        asked = steps.Run(name=name, type=StepType.RUN, read=read, function=does, options=options)
        return PendingStep(asked, self.pending_steps)

    def sleep(self, name: str, duration: Duration) -> PendingStep[None]:
        """Go on after a while; no request is held open meanwhile."""
        delay = wire_duration(duration, f"the duration of sleep {name!r}")
        asked = steps.Sleep(name=name, type=StepType.SLEEP_FOR, read=steps.read_nothing, delay=delay)
        return PendingStep(asked, self.pending_steps)

    def sleep_until(self, name: str, moment: Moment) -> PendingStep[None]:
        """Go on at an instant; at once when it has passed."""
        at = unix_seconds(moment, f"the end of sleep {name!r}")
        asked = steps.Sleep(name=name, type=StepType.SLEEP_UNTIL, read=steps.read_nothing, not_before=at)
        return PendingStep(asked, self.pending_steps)

    def call(
        self,
        name: str,
        *,
        url: str,
        method: str = "GET",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **how: Unpack[steps.CallOptions],
    ) -> PendingStep[steps.Response]:
        """Have the broker make an HTTP request, however long it takes, and go on with its answer.

        Args:
            name: name of the step.
            url, method, headers: the request.
            body: text as it is, anything else as JSON.
            **how: see `CallOptions`.
        """
        check_address(url, f"the url of call {name!r}")
        for header, value in (headers or {}).items():
            if not isinstance(value, str):
                raise TypeError(f"the header {header} of call {name!r} must be text, not {type(value).__qualname__}")
        delay = how.get("retry_delay")
        wait = None if delay is None else delay_expression(delay, f"the retry delay of call {name!r}")
        options = RunOptions(how.get("retries", 0), wait, how.get("flow_control"))
        timeout = how.get("timeout")
        limit = None if timeout is None else wire_duration(timeout, f"the timeout of call {name!r}")
        request = ThirdParty(url, method.upper(), dict(headers or {}), _text(body), limit, options)
        asked = steps.ThirdPartyCall(name=name, type=StepType.CALL, read=steps.read_response, request=request)
        return PendingStep(asked, self.pending_steps)

    def wait_for_event(self, name: str, event_id: str, *, timeout: Duration = "7d") -> PendingStep[steps.Event]:
        """Go on when somebody notifies of the event, or when the time is over."""
        limit = wire_duration(timeout, f"the timeout of wait {name!r}")
        asked = steps.Wait(name=name, type=StepType.WAIT, read=steps.read_event, event_id=event_id, timeout=limit)
        return PendingStep(asked, self.pending_steps)

    def notify(
        self, name: str, event_id: str, data: object = None, *, workflow_run_id: str | None = None
    ) -> PendingStep[steps.Notified]:
        """Wake the runs that wait for an event.

        Args:
            name: name of the step.
            event_id: the event.
            data: text as it is, anything else as JSON.
            workflow_run_id: only this run; if it does not wait yet, the event is kept for it.
        """

        async def send() -> dict[str, Any]:
            text = _text(data)
            told = {} if text is None else {"eventData": text if isinstance(data, str | bytes) else load(text)}
            woken = await self._transport.send(notify(event_id, text, workflow_run_id))
            return {"out": dump({"eventId": event_id, **told, "notifyResponse": woken})}

        asked = steps.Run(name=name, type=StepType.NOTIFY, read=steps.read_notified, function=send)
        return PendingStep(asked, self.pending_steps)

    def create_webhook(self, name: str) -> PendingStep[steps.Webhook]:
        """Make an address at the broker to which a third party can send its answer; see `wait_for_webhook`."""

        async def make() -> dict[str, Any]:
            event_id = f"evt_{random_name(15)}"
            url = self._transport.broker.webhook_url(self.workflow_run_id, event_id)
            return {"out": dump({"webhookUrl": url, "eventId": event_id})}

        asked = steps.Run(name=name, type=StepType.CREATE_WEBHOOK, read=steps.read_webhook, function=make)
        return PendingStep(asked, self.pending_steps)

    def wait_for_webhook(
        self, name: str, webhook: steps.Webhook, *, timeout: Duration = "7d"
    ) -> PendingStep[steps.WebhookCall]:
        """Go on with the next request to a webhook's address, or when the time is over."""
        limit = wire_duration(timeout, f"the timeout of wait {name!r}")
        asked = steps.Wait(
            name=name,
            type=StepType.WAIT_FOR_WEBHOOK,
            read=steps.read_webhook_call,
            event_id=webhook.event_id,
            timeout=limit,
        )
        return PendingStep(asked, self.pending_steps)

    @overload
    def invoke(
        self,
        name: str,
        workflow: "Callable[[Context[Any]], Awaitable[T]]",
        *,
        body: object = None,
        workflow_run_id: str | None = None,
        options: RunOptions = _NO_OPTIONS,
    ) -> PendingStep[steps.Invoked[T]]: ...
    @overload
    def invoke(
        self,
        name: str,
        workflow: str,
        *,
        body: object = None,
        workflow_run_id: str | None = None,
        options: RunOptions = _NO_OPTIONS,
    ) -> PendingStep[steps.Invoked[Any]]: ...
    def invoke(
        self,
        name: str,
        workflow: Any,
        *,
        body: object = None,
        workflow_run_id: str | None = None,
        options: RunOptions = _NO_OPTIONS,
    ) -> PendingStep[steps.Invoked[Any]]:
        """Start another workflow and go on when it has ended; its failure does not fail this one.

        Args:
            name: name of the step.
            workflow: one that is served beside this one (`serve_many`), or its name there, or a URL.
            body: its payload: text as it is, anything else as JSON.
            workflow_run_id: id of its run, without `wfr_`.
            options: how its deliveries are made.
        """
        function = getattr(workflow, "function", workflow)
        annotation = promised(function) if callable(function) else Any
        asked = steps.Invoke(
            name=name,
            type=StepType.INVOKE,
            read=partial(steps.read_invoked, annotation),
            workflow=workflow,
            body=_text(body),
            run_id=run_id(workflow_run_id),
            options=options,
        )
        return PendingStep(asked, self.pending_steps)

    def cancel(self) -> PendingStep[None]:
        """End this run as canceled; nothing after it happens."""
        asked = steps.Cancel(name="cancel", type=StepType.RUN, read=steps.read_nothing)
        return PendingStep(asked, self.pending_steps)

    def patched(self, marker: str) -> PendingStep[bool]:
        """Tell whether this run takes the changed path: true for runs that come here first, false for older ones.

        >>> if await context.patched("notify-owner"):
        ...     await context.run("notify owner", notify_owner)
        """

        async def record() -> dict[str, Any]:
            return {"out": "true"}

        asked: steps.Asked[bool] = steps.Run(
            name=f"patched: {marker}", type=StepType.RUN, read=lambda _: True, is_marker=True, function=record
        )
        return PendingStep(asked, self.pending_steps)

    async def heartbeat(self, progress: float | str | None = None) -> None:
        """Tell the broker from within a long step that it is alive, and how far it is.

        A broker that knows no heartbeats ignores them.

        Raises:
            Refused: with status 409 when this try of the step has been given up: another one may be under way.
        """
        facts = self._facts
        beat = calls.heartbeat(facts.run.id, facts.message_id, facts.attempt, progress)
        try:
            await self._transport.send(beat)
        except Refused as error:
            if error.status not in (404, 405):
                raise
            logger.info("the broker takes no heartbeats", extra={"run": facts.run.id})

    def heartbeat_from_thread(self, progress: float | str | None = None) -> None:
        """Do what `heartbeat` does, from the function of a blocking step."""
        loop = self.pending_steps.loop
        asyncio.run_coroutine_threadsafe(self.heartbeat(progress), loop).result()

    @overload
    async def parallel(self, a: PendingStep[T], /) -> tuple[T]: ...
    @overload
    async def parallel(self, a: PendingStep[T], b: PendingStep[T2], /) -> tuple[T, T2]: ...
    @overload
    async def parallel(self, a: PendingStep[T], b: PendingStep[T2], c: PendingStep[T3], /) -> tuple[T, T2, T3]: ...
    @overload
    async def parallel(
        self, a: PendingStep[T], b: PendingStep[T2], c: PendingStep[T3], d: PendingStep[T4], /
    ) -> tuple[T, T2, T3, T4]: ...
    @overload
    async def parallel(self, *steps: PendingStep[T]) -> tuple[T, ...]: ...
    async def parallel(self, *steps: PendingStep[Any]) -> tuple[Any, ...]:
        """Do these steps side by side, each in a delivery of its own, and return their results in order."""
        for step in steps:
            if not inspect.isawaitable(step):
                raise Misuse(
                    f"parallel takes steps that have not been done, not a {type(step).__qualname__}: hand a list over as "
                    "parallel(*steps); in a plain function, describe them with context.pending.run(...)"
                )
        return tuple(await asyncio.gather(*steps))


def _text(body: object) -> str | None:
    if body is None or isinstance(body, str):
        return body
    return body.decode() if isinstance(body, bytes) else write(body)
