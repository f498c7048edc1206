"""The endpoint of a workflow: answers the broker's deliveries, in no framework's words (protocol workflow 1.9)."""

import json
import logging
from base64 import b64decode
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ringback import clock
from ringback.client import calls
from ringback.client.messages import RunRef, start
from ringback.client.options import RunOptions
from ringback.client.settings import Broker, SettingMissing
from ringback.client.transport import AsyncTransport
from ringback.errors import Refused, RingbackError
from ringback.wire.http import Request, Response
from ringback.wire.signing import verify
from ringback.wire.steps import Entry, parse_entries
from ringback.workflow import answers, effects
from ringback.workflow.definition import Workflow
from ringback.workflow.delivery import Delivery, Kind, forwarded, read_delivery
from ringback.workflow.effects import Effect
from ringback.workflow.errors import NonRetryableError, WorkflowError
from ringback.workflow.facts import Facts
from ringback.workflow.failure import Failure, read_failure
from ringback.workflow.journal import Journal, cut_after, read_journal
from ringback.workflow.middleware import Middlewares
from ringback.workflow.payload import payload_type, read_payload
from ringback.workflow.turn import Turn, run_plainly

logger = logging.getLogger("ringback.workflow")

_LARGEST_ANSWER = 512 * 1024  # brokers read answers up to a limit, and larger messages when they are published


class Endpoint:
    """One workflow at one URL.

    Args:
        workflow: what is served.
        siblings: the workflows served beside it by name, for invocations.
    """

    def __init__(self, workflow: Workflow, siblings: Mapping[str, Workflow] | None = None) -> None:
        self.workflow = workflow
        self._siblings = siblings or {}
        self._middlewares = Middlewares(workflow.options.get("middlewares", ()))

    async def answer(self, request: Request, url: str) -> Response:
        """Return the answer to one request; never raises an `Exception`.

        Args:
            request: as it came in.
            url: its absolute URL as far as the framework knows it.
        """
        if request.method != "POST":
            return answers.answer(405, {"error": "MethodNotAllowed", "message": "send POST"}, ("Allow", "POST"))
        delivery = None
        try:
            signed_url = self._verified_url(request)
            delivery = read_delivery(request)
            return await self._deal_with(delivery, request, self._public_url(signed_url or url))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the broker is told
            return await self._failed(delivery, error)

    async def close(self) -> None:
        """Give back the connections of the running event loop."""
        if "transport" in self.__dict__:
            await self.transport.close()

    async def _deal_with(self, delivery: Delivery, request: Request, url: str) -> Response:
        run = RunRef(delivery.run_id, url, delivery.invoke_count)
        facts = Facts(
            run,
            delivery.created_at,
            delivery.headers,
            delivery.labels,
            delivery.message_id,
            delivery.attempt,
            self.workflow.env,
        )
        match delivery.kind:
            case Kind.START:
                return await self._start(delivery, request, run)
            case Kind.CALLBACK:
                return await self._take_callback(delivery, request, run)
            case Kind.FAILURE:
                return await self._take_failure(request, facts)
            case Kind.STEP:
                return await self._step(delivery, request, facts)

    async def _start(self, delivery: Delivery, request: Request, run: RunRef) -> Response:
        text = await self._start_text(delivery, request)
        self._payload(text)  # what does not fit is refused here, before a run exists
        given = self.workflow.options.get("run_options", RunOptions())
        headers = forwarded(delivery.headers) | dict(given.headers or {})
        options = RunOptions(
            given.retries,
            given.retry_delay,
            given.flow_control,
            given.labels or delivery.labels,
            given.delay,
            given.not_before,
            headers,
            given.failure_url,
            given.redact,
        )
        item = start(run, text or None, options)
        if delivery.awaits_sdk:
            item.headers["Upstash-Workflow-Trigger-By-Sdk"] = "true"
        elif delivery.message_id:  # a repeated start must start nothing, not even when the run has ended meanwhile
            item.headers["Upstash-Deduplication-Id"] = run.id
        await self.transport.send(calls.batch([item]))
        return answers.done(run.id)

    async def _start_text(self, delivery: Delivery, request: Request) -> str:
        if not delivery.awaits_sdk:
            return _utf8(request.body)
        entries = (
            parse_entries(request.body) if request.body else await self.transport.send(calls.entries(delivery.run_id))
        )
        return _utf8(read_journal(entries[:1]).payload)

    async def _take_callback(self, delivery: Delivery, request: Request, run: RunRef) -> Response:
        callback = _object(request.body, "a callback")
        name = request.header("upstash-workflow-stepname") or ""
        number = int(request.header("upstash-workflow-stepid") or 0)
        concurrent = int(request.header("upstash-workflow-concurrent") or 1)
        callback["text"] = b64decode(callback.get("body") or "").decode("latin-1")
        effect = effects.call_result(run, number, _step_name(name), concurrent, callback)
        if effect is None:
            return answers.done(run.id, "fromCallback")
        return await self._bring_about(effect, delivery, "fromCallback")

    async def _take_failure(self, request: Request, facts: Facts) -> Response:
        function = self.workflow.options.get("failure_function")
        if function is None:
            missing = ("Upstash-Workflow-Failure-Callback-Notfound", "true")
            return answers.done(facts.run.id, "failure-callback-undefined", missing)
        fields = read_failure(request.body)
        text = fields.pop("payload")
        try:
            payload = self._payload(text)
        except NonRetryableError:
            payload = None  # a payload that does not fit may be the very reason of the failure
        said = await run_plainly(function, Failure(payload, facts=facts, **fields))
        return answers.answer(200, {} if said is None else {"result": str(said)})

    async def _step(self, delivery: Delivery, request: Request, facts: Facts) -> Response:
        journal = await self._journal(delivery, request)
        if journal is None:
            return answers.done(facts.run.id, "workflow-already-ended")
        if journal.last_is_repeated:
            return answers.done(facts.run.id, "duplicate-step")
        payload = self.payload_from(journal.payload)
        turn = Turn(self.workflow, facts, self.transport, self._middlewares, self._siblings)
        try:
            effect = await turn.take(journal, payload)
        except Exception as error:  # noqa: BLE001 - the workflow's own code may raise anything
            return await self._failed(delivery, error, turn.step, turn.retry_after)
        return await self._bring_about(effect, delivery, "success")

    async def _journal(self, delivery: Delivery, request: Request) -> Journal | None:
        entries: list[Entry]
        if request.body:
            entries = parse_entries(request.body)
        else:
            try:
                fetched = await self.transport.send(calls.entries(delivery.run_id))
            except Refused as error:
                if error.status == 404:
                    return None
                raise
            entries = cut_after(fetched, delivery.message_id)
        return read_journal(entries)

    async def _bring_about(self, effect: Effect, delivery: Delivery, how: str) -> Response:
        if delivery.takes_result and effect.answer is not None:
            response = answers.answer(200, effect.answer, ("Ringback-Result", "1"))
            if effect.call is None or len(response.body) <= _LARGEST_ANSWER:
                return response
        if effect.call is not None:
            try:
                await self.transport.send(effect.call)
            except Refused as error:
                return answers.refused(delivery.run_id, error)
        return answers.done(delivery.run_id, how)

    async def _failed(
        self, delivery: Delivery | None, error: Exception, step: str | None = None, retry_after: float | None = None
    ) -> Response:
        run_id = delivery.run_id if delivery else ""
        known = isinstance(answers.decisive(error), RingbackError)
        logger.warning(
            "a delivery failed: %s",
            type(error).__name__,
            extra={"run": run_id, "step": step},
            exc_info=None if known else error,
        )
        await self._middlewares.tell("failed", run_id, error)
        if delivery is None:  # nobody has shown who they are
            return answers.failed(error.with_traceback(None))
        return answers.failed(error, step, retry_after)

    def payload_from(self, raw: bytes) -> Any:
        """Return the payload as the workflow wants it.

        Raises:
            NonRetryableError: it does not fit.
        """
        return self._payload(_utf8(raw))

    def _payload(self, text: str) -> Any:
        options = self.workflow.options
        schema = options.get("schema") or self._annotated
        return read_payload(text, schema, options.get("payload_parser"))

    def _verified_url(self, request: Request) -> str | None:
        keys = self.workflow.options.get("signing_keys")
        if keys is None:
            keys = self._broker.signing_keys
            if not keys:
                raise SettingMissing(
                    "set QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY to the broker's signing keys, so that "
                    "nobody else can run this workflow (or serve it with signing_keys=() to accept everybody)"
                )
        if not keys:
            return None
        token = request.header("upstash-signature") or ""
        return verify(token, request.body, keys, clock.now()).url

    def _public_url(self, url: str) -> str:
        options = self.workflow.options
        if "url" in options:
            return options["url"]
        base = options.get("base_url") or self.workflow.env.get("UPSTASH_WORKFLOW_URL")
        if not base:
            return url
        there, here = urlsplit(base), urlsplit(url)
        return urlunsplit((there.scheme, there.netloc, here.path, here.query, ""))

    @cached_property
    def _annotated(self) -> Any:
        return payload_type(self.workflow.function)

    @cached_property
    def _broker(self) -> Broker:
        given = self.workflow.options.get("transport")
        return given.broker if given is not None else Broker.from_env(self.workflow.env)

    @cached_property
    def transport(self) -> AsyncTransport:
        """The way to the broker."""
        given = self.workflow.options.get("transport")
        return given if given is not None else AsyncTransport(self._broker)


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise NonRetryableError("the request payload must be UTF-8 text") from None


def _object(body: bytes, what: str) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise WorkflowError(f"{what} must be a JSON object")
    return value


def _step_name(header: str) -> str:
    """Return a step's name from a header, whose bytes are read as Latin-1 but may be UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
