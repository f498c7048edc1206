"""Dealing with one delivery, whichever kind it is (protocol workflow 1.9)."""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace

from ringback.client import calls
from ringback.client.messages import RunRef, start
from ringback.client.options import RunOptions
from ringback.client.transport import AsyncTransport
from ringback.errors import Refused
from ringback.wire.http import Request, Response
from ringback.wire.steps import Entry, parse_entries
from ringback.workflow import answers, effects
from ringback.workflow.definition import Workflow
from ringback.workflow.delivery import Delivery, Kind, forwarded, visible_headers
from ringback.workflow.effects import Effect
from ringback.workflow.errors import NonRetryableError, WorkflowError
from ringback.workflow.executing import run_plainly
from ringback.workflow.facts import Facts
from ringback.workflow.failure import Failure, read_failure
from ringback.workflow.journal import Journal, cut_after, entry_of, read_journal
from ringback.workflow.middleware import Middlewares
from ringback.workflow.payload import payload_of, text_of
from ringback.workflow.rehearsal import rehearsal
from ringback.workflow.turn import Turn

_LARGEST_ANSWER = 512 * 1024  # brokers read answers up to a limit, and larger messages when they are published


class Dealer:
    """Deals with one delivery.

    Args:
        workflow: what is served.
        siblings: the workflows served beside it by name.
        middlewares: told of what happens.
        transport: the way to the broker.
        delivery, request: the delivery.
        url: where the broker finds the workflow.

    Attributes:
        turn: the turn with the workflow's code, when there was one.
    """

    def __init__(
        self,
        workflow: Workflow,
        siblings: Mapping[str, Workflow],
        middlewares: Middlewares,
        transport: AsyncTransport,
        delivery: Delivery,
        request: Request,
        url: str,
    ) -> None:
        self._workflow = workflow
        self._siblings = siblings
        self._middlewares = middlewares
        self._transport = transport
        self._request = request
        self._run = RunRef(delivery.run_id, url, delivery.invoke_count)
        self.delivery = delivery
        self.turn: Turn | None = None

    async def deal(self) -> Response:
        """Return the answer to the delivery.

        Raises:
            Exception: whatever stands in its way, or the workflow's code raises.
        """
        match self.delivery.kind:
            case Kind.START:
                return await self._start()
            case Kind.CALLBACK:
                return await self._take_callback()
            case Kind.FAILURE:
                return await self._take_failure()
            case Kind.STEP:
                return await self._step()

    async def _start(self) -> Response:
        delivery = self.delivery
        raw = await self._start_payload()
        payload_of(self._workflow, raw)  # what does not fit is refused here, before a run exists
        given = self._workflow.options.get("run_options", RunOptions())
        headers = forwarded(visible_headers(delivery.lines)) | dict(given.headers or {})
        options = replace(given, headers=headers, labels=given.labels or delivery.labels)
        item = start(self._run, text_of(raw) or None, options)
        if delivery.awaits_sdk:
            item.headers["Upstash-Workflow-Trigger-By-Sdk"] = "true"
        elif delivery.message_id:  # a repeated start must start nothing, not even when the run has ended meanwhile
            item.headers["Upstash-Deduplication-Id"] = self._run.id
        await self._transport.send(calls.batch([item]))
        return answers.done(self._run.id)

    async def _start_payload(self) -> bytes:
        body = self._request.body
        if not self.delivery.awaits_sdk:
            return body
        entries = parse_entries(body) if body else await self._transport.send(calls.entries(self._run.id))
        return read_journal(entries[:1]).payload

    async def _take_callback(self) -> Response:
        body = self._request.body
        if not body:  # it is too large to be sent
            fetched = await self._fetch()
            if fetched is None:
                return answers.done(self._run.id, "workflow-already-ended")
            body = entry_of(fetched, self.delivery.message_id).body
        callback = json.loads(body)
        if not isinstance(callback, dict):
            raise WorkflowError("a callback must be a JSON object")
        callback["text"] = b64decode(callback.get("body") or "").decode("latin-1")
        effect = effects.call_result(
            self._run,
            int(self._request.header("upstash-workflow-stepid") or 0),
            _step_name(self._request.header("upstash-workflow-stepname") or ""),
            int(self._request.header("upstash-workflow-concurrent") or 1),
            callback,
        )
        if effect is None:
            return answers.done(self._run.id, "fromCallback")
        return await self._bring_about(effect, "fromCallback")

    async def _take_failure(self) -> Response:
        function = self._workflow.options.get("failure_function")
        if function is None:
            missing = ("Upstash-Workflow-Failure-Callback-Notfound", "true")
            return answers.done(self._run.id, "failure-callback-undefined", missing)
        fields = read_failure(self._request.body)
        try:
            payload = payload_of(self._workflow, fields.pop("payload"))
        except NonRetryableError:
            payload = None  # a payload that does not fit may be the very reason of the failure
        said = await run_plainly(function, Failure(payload, facts=self._facts(), **fields))
        return answers.answer(200, {} if said is None else {"result": str(said)})

    async def _step(self) -> Response:
        journal = await self._journal()
        if journal is None:
            return answers.done(self._run.id, "workflow-already-ended")
        if journal.last_is_repeated:
            return answers.done(self._run.id, "duplicate-step")
        payload = payload_of(self._workflow, journal.payload)
        self.turn = Turn(self._workflow, self._facts(), self._transport, self._middlewares, self._siblings)
        played = rehearsal.get()
        if played is not None:
            played.purpose = await self.turn.foresee(journal, payload)
            return answers.done(self._run.id, "rehearsed")
        return await self._bring_about(await self.turn.take(journal, payload), "success")

    async def _journal(self) -> Journal | None:
        """Return the journal, None when the run has ended meanwhile."""
        if self._request.body:
            return read_journal(parse_entries(self._request.body))
        fetched = await self._fetch()
        return None if fetched is None else read_journal(cut_after(fetched, self.delivery.message_id))

    async def _fetch(self) -> list[Entry] | None:
        """Return all entries of the run, None when it has ended meanwhile."""
        try:
            return await self._transport.send(calls.entries(self._run.id))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def _bring_about(self, effect: Effect, how: str) -> Response:
        if self.delivery.takes_result and effect.answer is not None:
            response = answers.answer(200, effect.answer, ("Ringback-Result", "1"))
            if effect.call is None or len(response.body) <= _LARGEST_ANSWER:
                return response
        if effect.call is not None:
            try:
                await self._transport.send(effect.call())
            except Refused as error:
                return answers.refused(self._run.id, error)
        return answers.done(self._run.id, how)

    def _facts(self) -> Facts:
        told = self.delivery
        return Facts(
            self._run,
            told.created_at,
            told.lines,
            told.labels,
            told.message_id,
            told.attempt,
            self._workflow.env,
        )


def _step_name(header: str) -> str:
    """Return a step's name from a header, whose bytes are read as Latin-1 but may be UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
