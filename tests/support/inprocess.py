"""A broker in this process: no sockets, a clock that is turned by hand, an endpoint that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringback.broker.api.api import explain
from ringback.broker.app import Broker
from ringback.broker.records import SigningKeys
from ringback.broker.settings import Limits, Settings, Tenant
from ringback.broker.stores.contract import Store
from ringback.broker.stores.memory import MemoryStore
from ringback.errors import RingbackError
from ringback.wire.guard import Policy
from ringback.wire.http import Outbound, Outcome, Request, Response

START = 1_790_000_000_000
TOKEN, READ_ONLY, OTHER, PUBLISH_ONLY = "token-one", "token-reads", "token-two", "token-publishes"
TENANTS = (
    Tenant(
        "one", TOKEN, SigningKeys("one", "sig_one_current", "sig_one_next"), READ_ONLY, publish_only_token=PUBLISH_ONLY
    ),
    Tenant("two", OTHER, SigningKeys("two", "sig_two_current", "sig_two_next")),
)

Respond = Callable[[Outbound], Outcome]


@dataclass
class Answered:
    """What the API answered."""

    status: int
    json: Any
    headers: dict[str, str]
    text: str = ""


@dataclass
class InProcess:
    """The broker, its clock and its endpoint.

    Attributes:
        respond: what the endpoint answers.
        room: most requests at once.
        per_host: most of them to one host, as many as there is room for without.
        in_flight_bytes: how large their bodies may be together.
        sent: all requests it got, in order.
        held: while set, requests wait for it before they are answered.
        in_flight: requests that have not been answered.
        most_in_flight: the largest that number has been.
        caller: the address that the API is called from.
    """

    store: Store
    limits: Limits = field(default_factory=Limits)
    room: int = 1000
    per_host: int | None = None
    in_flight_bytes: int = 1 << 30
    llm_url: str = ""
    email_url: str = ""
    respond: Respond = lambda _: Outcome(200, [], b"ok")
    sent: list[Outbound] = field(default_factory=list)
    held: asyncio.Event | None = None
    in_flight: int = 0
    most_in_flight: int = 0
    at: int = START
    node_timeout_ms: int = 600_000
    caller: str = "192.0.2.1"

    def __post_init__(self) -> None:
        settings = Settings(
            host="",
            port=0,
            database=Path("-"),
            tenants=TENANTS,
            limits=self.limits,
            destinations=Policy(allow_private=True),
            llm_url=self.llm_url,
            email_url=self.email_url,
            in_flight=self.room,
            in_flight_per_host=self.room if self.per_host is None else self.per_host,
            in_flight_bytes=self.in_flight_bytes,
            node_timeout_ms=self.node_timeout_ms,
        )
        self.broker = Broker(settings, self.store, self, lambda: self.at)

    async def send(self, outbound: Outbound) -> Outcome:
        """Be the endpoint."""
        self.sent.append(outbound)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.held is not None:
                await self.held.wait()
            return self.respond(outbound)
        finally:
            self.in_flight -= 1

    async def call(
        self, method: str, target: str, body: Any = b"", token: str | None = TOKEN, **headers: str
    ) -> Answered:
        """Call the API; header names are given with underscores for dashes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
        if token is not None:
            lines.append(("authorization", f"Bearer {token}"))
        answer = self.broker.api.respond(Request(method, target, lines, raw, self.caller))
        try:
            response = answer if isinstance(answer, Response) else await answer
        except RingbackError as error:
            explained = explain(error)
            assert explained is not None
            response = explained
        is_json = response.body and ("Content-Type", "application/json") in response.headers
        value = json.loads(response.body) if is_json else None
        return Answered(response.status, value, dict(response.headers), response.body.decode())

    async def publish(self, url: str, body: Any = b"x", **headers: str) -> str:
        """Publish to a URL and return the message's id."""
        answer = await self.call("POST", f"/v2/publish/{url}", body, **headers)
        assert answer.status in (200, 202), answer
        return str(answer.json["messageId"])

    async def enqueue(self, queue: str, url: str, body: Any = b"x", **headers: str) -> str:
        """Enqueue to a URL and return the message's id."""
        answer = await self.call("POST", f"/v2/enqueue/{queue}/{url}", body, **headers)
        assert answer.status == 200, answer
        return str(answer.json["messageId"])

    async def settle(self) -> None:
        """Let everything happen that can happen without the clock moving."""
        while True:
            if self.held is None:
                await self.broker.dispatcher.idle()
            else:
                for _ in range(20):
                    await asyncio.sleep(0)
                # a reader thread has to load what is delivered
                await until(lambda: self.in_flight >= len(self.broker.dispatcher._tasks), 5)
            due = await self.broker.scheduler.tick()
            if self.held is None and self.broker.dispatcher.is_idle() and (due is None or due > self.at):
                return
            if self.held is not None and (due is None or due > self.at):
                return

    async def turn(self, milliseconds: int) -> None:
        """Turn the clock forward, stopping wherever something is due."""
        end = self.at + milliseconds
        await self.settle()
        while True:
            due = await self.broker.scheduler.tick()
            if due is None or due > end:
                break
            self.at = max(self.at, due)
            await self.settle()
        self.at = end
        await self.settle()

    async def events(self, message_id: str) -> list[str]:
        """Return the states a message went through."""
        answer = await self.call("GET", f"/v2/events?messageId={message_id}&order=earliestFirst")
        return [event["state"] for event in answer.json["events"]]

    def header(self, number: int, name: str) -> str | None:
        """Return a header of a request that was sent."""
        return next((value for key, value in self.sent[number].headers if key == name), None)


async def until(condition: Callable[[], bool], within: float = 20) -> None:
    """Let others work until a condition is met.

    Raises:
        TimeoutError: it is not met within so many seconds.
    """
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def inprocess(store: Store | None = None, **options: Any) -> AsyncIterator[InProcess]:
    """Run a broker for the length of a block."""
    ringed = InProcess(store or MemoryStore(), **options)
    await ringed.broker.open()
    try:
        yield ringed
    finally:
        if ringed.held is not None:
            ringed.held.set()
        await ringed.broker.close(1.0)


def answering(*statuses: int, **headers: str) -> Respond:
    """Return an endpoint that answers these statuses in turn, and the last one ever after."""
    left = list(statuses)
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]

    def respond(_: Outbound) -> Outcome:
        return Outcome(left.pop(0) if len(left) > 1 else left[0], lines, b"answer")

    return respond
