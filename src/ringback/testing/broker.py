"""The broker of a test: in this process, without sockets, with a clock that is turned by hand."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Self

import httpx

from ringback.broker.ids import parse_message_id
from ringback.broker.records import Delivery
from ringback.broker.stores.contract import Where
from ringback.client import AsyncWorkflowClient, RunOptions, management
from ringback.client.durations import Duration, seconds
from ringback.testing.disturbances import NONE, Disturbance
from ringback.testing.seen import SeenMessage, SeenRun
from ringback.testing.stage import ROOM, Stage, as_body
from ringback.testing.wires import AsyncWay, reachable
from ringback.workflow.definition import Workflow, WorkflowFunction

_MOST_IN_A_ROW = 10_000


class Stuck(AssertionError):
    """Something has not come to its end, and nothing will happen any more."""


class AsyncTestBroker(Stage):
    """A broker in this process for asynchronous tests; `TestBroker` is the same for blocking ones.

        async with AsyncTestBroker() as broker:
            run = await broker.trigger(remind, {"mail": "ada@example.com"})
            await broker.run_to_end()
            assert run.result == "reminded"

    Nothing happens by itself: deliveries are made while `run_until_idle`, `turn` or `run_to_end` is awaited, and its clock
    stands still until it is turned. While it is open, the variables `QSTASH_URL`, `QSTASH_TOKEN` and the signing keys of this
    process name it, and the clients of `ringback.client` reach it by that URL without a socket.

    Args:
        at: where its clock begins; now unless given.
        disturbance: what goes wrong; for the crash matrix.

    Attributes:
        url, token, signing_keys: of this broker.
    """

    def __init__(self, *, at: datetime | None = None, disturbance: Disturbance = NONE) -> None:
        super().__init__(at=at, disturbance=disturbance)
        self._stack = ExitStack()
        self._client: AsyncWorkflowClient | None = None

    @property
    def client(self) -> AsyncWorkflowClient:
        """A client of it."""
        if self._client is None:
            self._client = AsyncWorkflowClient(self.address())
        return self._client

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Make it reachable; `async with` does so."""
        self._door.loop = asyncio.get_running_loop()
        self._stack.enter_context(reachable(self.url, self._door))
        others = ("QSTASH_DEV", "QSTASH_REGION")
        self._stack.callback(_restore, {name: os.environ.get(name) for name in (*self.environment, *others)})
        for name in others:
            os.environ.pop(name, None)
        os.environ.update(self.environment)
        await self._broker.open()

    async def close(self) -> None:
        """Give everything back; `async with` does so."""
        await self._broker.close(0)
        for lifespan in self._lifespans:
            await lifespan.end()
        if self._client is not None:
            await self._client.close()
        self._stack.close()

    async def trigger(
        self,
        workflow: WorkflowFunction | Workflow | str,
        payload: object = None,
        *,
        run_id: str | None = None,
        options: RunOptions | None = None,
    ) -> SeenRun:
        """Start a run and return it; it goes on when the broker is run.

        Args:
            workflow: a URL, or a workflow, which is served if it is not yet.
            payload: text as it is, anything else as JSON.
            run_id: id without `wfr_`.
            options: how its deliveries are made.
        """
        url = workflow if isinstance(workflow, str) else self._url_of(workflow)
        told = await self.client.trigger(url=url, body=payload, workflow_run_id=run_id, options=options or RunOptions())
        return next(run for run in reversed(self.runs) if run.id == told.workflow_run_id)

    async def publish(self, url: str, body: object = None, /, **headers: str) -> SeenMessage:
        """Publish a message and return it.

        Args:
            url: where to; something is served, mounted or stubbed there.
            body: text and bytes as they are, anything else as JSON.
            **headers: as on the wire, with underscores: `upstash_retries="0"`.
        """
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        told = await self.client.transport.send(management.publish(url, as_body(body), lines))
        seq = parse_message_id(told["messageId"]) if isinstance(told, dict) else None
        if seq is None:
            raise ValueError("a URL group has several messages: publish to the URLs of its endpoints")
        return SeenMessage(self._store, seq)

    async def notify(self, event_id: str, data: object = None, run: SeenRun | None = None) -> int:
        """Send an event now; return how many runs got it. With `run` it is kept for that one if it does not wait yet."""
        return len(await self.client.notify(event_id, data, run.id if run else None))

    async def call_webhook(self, url: str, body: object = None, /, *, method: str = "POST", **headers: str) -> int:
        """Do what a third party does with the address of a webhook; return the status of the answer.

        Args:
            url: as `create_webhook` has made it.
            body: text and bytes as they are, anything else as JSON.
            method: any.
            **headers: with underscores for dashes.
        """
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=AsyncWay(self._door)) as http:
            return (await http.request(method, url, content=as_body(body), headers=lines)).status_code

    async def run_until_idle(self) -> None:
        """Let everything happen that can happen without the clock moving.

        Raises:
            NobodyThere: a request went where nobody answers in this test.
            Stuck: it never ends.
        """
        begun = len(self.delivered)
        with self._postman.at_work():
            while True:
                await self._postman.quiet(self._busy)
                if len(self.delivered) - begun > _MOST_IN_A_ROW:
                    raise Stuck(f"more than {_MOST_IN_A_ROW} deliveries, and the clock has not moved: is this a loop?")
                if self.planned.send_due(self._at):
                    continue
                due = await self._broker.scheduler.tick()
                if not self._busy() and (due is None or due > self._at):
                    break
        self._places.check()

    async def turn(self, duration: Duration) -> None:
        """Turn the clock forward, stopping wherever something is due.

        Args:
            duration: seconds, a text such as "3w", or a timedelta.
        """
        end = self._at + int(seconds(duration, "the turn of the clock") * 1000)
        await self.run_until_idle()
        while (due := await self._next_due()) is not None and due <= end:
            self._at = max(self._at, due)
            await self.run_until_idle()
        self._at = end
        await self.run_until_idle()

    async def run_to_end(self, limit: Duration = "53w") -> None:
        """Turn the clock until every run and every message has come to its end.

        Raises:
            Stuck: something is left and nothing more will happen within `limit`.
        """
        end = self._at + int(seconds(limit, "the limit") * 1000)
        await self.run_until_idle()
        while left := self._left():
            due = await self._next_due()
            if due is None or due > end:
                raise Stuck(f"{left}, and nothing more happens{'' if due is None else f' within {limit}'}")
            self._at = max(self._at, due)
            await self.run_until_idle()

    def _busy(self) -> int:
        return ROOM - self._broker.dispatcher.room()

    async def _next_due(self) -> int | None:
        times = [await self._broker.scheduler.tick(), self.planned.next_due(self._at)]
        return min((at for at in times if at is not None), default=None)

    def _left(self) -> str:
        """Return what has not ended, "" for nothing."""
        running = [run for run in self.runs if run.state == "RUN_STARTED"]
        if running:
            return f"{running[0]!r} has not ended: {running[0].waits_for}"
        left = self._store.look(lambda tx: tx.count(Delivery, Where("seq", "not null")))
        return f"{left} messages have not ended" if left else ""


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
