"""Attempts: every message leased to this node is sent, and its outcome written down."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Protocol
from urllib.parse import urlsplit

from ringback.broker.changes import Handed
from ringback.broker.engine.unsettled import FAULT, is_written, settle_anyhow, take_in
from ringback.broker.operations.beginning import note_beginning
from ringback.broker.operations.desk import Desk
from ringback.broker.records import Event, Message
from ringback.broker.rules.facets import facets_of
from ringback.broker.rules.holding import Holding
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.wire.http import Outbound, Outcome

_log = logging.getLogger("ringback.dispatcher")

_NOTICE_AFTER = 0.05
"""Seconds after which an attempt in flight is recorded as such; faster ones are recorded with their outcome."""
_NOT_TOGETHER = "what came back cannot be taken in together with what it lets in"


class Sender(Protocol):
    """Sends requests; never raises."""

    async def send(self, outbound: Outbound) -> Outcome:
        """Send one request and return what came back."""


class Dispatcher:
    """Sends what it is handed, within limits, and settles it.

    Args:
        desk: where outcomes are written down.
        sender: sends requests.
        request: makes the request of one attempt.
        in_flight: most attempts at once; what one transaction has leased beyond that waits here.
        limits: quotas for what follows from outcomes.
        per_host: most of them to one host; the rest wait here, so that a slow host keeps nobody else waiting.
        in_bytes: how much of bodies and lists of runs is held here before nothing more is taken.
    """

    def __init__(
        self,
        desk: Desk,
        sender: Sender,
        request: Callable[[Handed], Outbound],
        in_flight: int,
        per_host: int,
        in_bytes: int,
        limits: Limits,
    ) -> None:
        self._desk = desk
        self._limits = limits
        self._sender = sender
        self._request = request
        self._limit = in_flight
        self._per_host = per_host
        self._limit_in_bytes = in_bytes
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hosts: dict[str, int] = {}
        self._waiting: dict[str, deque[Handed]] = {}
        self._beyond: deque[Handed] = deque()
        self._held: dict[int, int] = {}  # how often: a message may be leased anew before its last attempt is let go of
        self._in_flight: dict[int, Outbound] = {}
        self._draining = False
        self._lacks = False
        self._unnoticed: dict[int, tuple[float, Event]] = {}
        self._look: asyncio.TimerHandle | None = None
        self.on_room: Callable[[], None] = lambda: None
        self.on_outcome: Callable[[Handed, Outcome], None] = lambda _, __: None

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Kept, because CPython 3.11 makes a system call each time somebody asks for the running loop."""
        return asyncio.get_running_loop()

    def room(self) -> int:
        """Return how many more attempts can be taken."""
        return self._limit - len(self._held) if self.room_in_bytes() > 0 else 0

    def room_in_bytes(self) -> int:
        """Return how much more of bodies can be taken; zero or less where no attempt can."""
        return 0 if self._draining or len(self._held) >= self._limit else self._limit_in_bytes - self._bytes

    def holding(self) -> Holding:
        """Return what is in flight, what may be, and who waits here."""
        behind_hosts = _numbers(handed for line in self._waiting.values() for handed in line)
        return Holding(
            len(self._held),
            self._limit,
            self._bytes,
            self._limit_in_bytes,
            self._per_host,
            behind_hosts,
            _numbers(self._beyond),
        )

    def submit(self, handed: Handed) -> None:
        """Attempt a message that is leased to this node."""
        self._bytes += handed.size()
        self._held[handed.message.seq] = self._held.get(handed.message.seq, 0) + 1
        if len(self._tasks) >= self._limit:
            self._beyond.append(handed)
        else:
            self._place(handed)

    def keep_waiting(self, seq: int) -> None:
        """The endpoint works on a message: give its attempt the whole time-out anew."""
        outbound = self._in_flight.get(seq)
        if outbound is not None:
            outbound.alive_at = self._loop.time()

    def holds(self, seq: int) -> bool:
        """Whether a message is being attempted here, waits here to be, or its outcome is being written down."""
        return seq in self._held

    def abandon(self) -> None:
        """Break off everything: others may have taken this node for dead and attempt the same messages."""
        self._let_go_of_waiting()
        for task in self._tasks:
            task.cancel()

    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        return not self._held

    async def idle(self) -> None:
        """Wait until no attempt is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain(self, grace: float) -> None:
        """Wait at most `grace` seconds for the attempts in flight, then break them off; their leases run out."""
        self._draining = True  # what an outcome lets in now is for others, or for the next start
        self._let_go_of_waiting()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _let_go_of_waiting(self) -> None:
        for waiting in (*self._waiting.values(), self._beyond):
            for handed in waiting:
                self._let_go(handed)
        self._waiting.clear()
        self._beyond.clear()

    def _let_go(self, handed: Handed) -> None:
        seq = handed.message.seq
        self._bytes -= handed.size()
        left = self._held.pop(seq) - 1
        if left:
            self._held[seq] = left

    def _place(self, handed: Handed) -> None:
        """Begin an attempt, or let it wait for its host."""
        host = urlsplit(handed.message.url).netloc
        if self._hosts.get(host, 0) >= self._per_host:
            self._waiting.setdefault(host, deque()).append(handed)
        else:
            self._begin(host, handed)

    def _begin(self, host: str, handed: Handed) -> None:
        self._hosts[host] = self._hosts.get(host, 0) + 1
        task = self._loop.create_task(self._attempt(handed))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finish(host, handed, done))

    def _finish(self, host: str, handed: Handed, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._let_go(handed)
        left = self._hosts[host] - 1
        if left:
            self._hosts[host] = left
        else:
            del self._hosts[host]
        if not task.cancelled() and task.exception() is not None:
            _log.error("an attempt broke off", exc_info=task.exception())
        waiting = self._waiting.get(host)
        if waiting:
            self._begin(host, waiting.popleft())
            if not waiting:
                del self._waiting[host]
        while self._beyond and len(self._tasks) < self._limit:
            self._place(self._beyond.popleft())
        self.on_room()

    async def _attempt(self, handed: Handed) -> None:
        message = handed.message
        begun = _begun(message, self._desk)
        self._expect_soon(begun)
        try:
            outcome = await self._send(handed)
        except Exception:  # noqa: BLE001 - a fault of ours must not leave a message in flight for ever
            _log.exception("an attempt broke off")
            outcome = Outcome(0, error=FAULT)
        finally:
            self._unnoticed.pop(message.seq, None)
            self._in_flight.pop(message.seq, None)
        try:
            self.on_outcome(handed, outcome)
        except Exception:  # noqa: BLE001 - as before: what only looks on must not keep the outcome from being written
            _log.exception("an outcome was not noticed")
        await self._settle(handed, begun, outcome)

    async def _send(self, handed: Handed) -> Outcome:
        """Send until it is sent: what this machine lacks must not cost a message one of its retries."""
        pause = 0.1
        while True:
            outbound = self._in_flight[handed.message.seq] = self._request(handed)
            outcome = await self._sender.send(outbound)
            if not outcome.unsent:
                self._lacks = False
                return outcome
            if not self._lacks:
                _log.warning("attempts wait to be sent: %s", outcome.error)
                self._lacks = True
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)

    def _expect_soon(self, begun: Event) -> None:
        """Have an attempt noticed if it takes long. One timer looks after all: one for each would cost more than its event."""
        self._unnoticed[begun.message] = (self._loop.time() + _NOTICE_AFTER, begun)
        if self._look is None:
            self._look = self._loop.call_later(_NOTICE_AFTER, self._notice_slow_ones)

    def _notice_slow_ones(self) -> None:
        for seq, (at, begun) in list(self._unnoticed.items()):  # in the order in which they began
            if at > self._loop.time():
                self._look = self._loop.call_at(at, self._notice_slow_ones)
                return
            del self._unnoticed[seq]
            self._notice(begun)
        self._look = None

    def _notice(self, begun: Event) -> None:
        """Record an attempt that takes long while it is in flight."""

        def job(tx: Transaction, moment: Moment) -> None:
            note_beginning(tx, begun, moment)

        asyncio.ensure_future(self._desk.write(job)).add_done_callback(_report)

    async def _settle(self, handed: Handed, begun: Event, outcome: Outcome) -> None:
        job = partial(take_in, handed, begun, self._limits, outcome)
        if not await is_written(self._desk, handed, job, _NOT_TOGETHER):
            await settle_anyhow(self._desk, handed, begun, outcome, self._limits)


def _numbers(waiting: Iterable[Handed]) -> frozenset[int]:
    return frozenset(handed.message.seq for handed in waiting)


def _begun(message: Message, desk: Desk) -> Event:
    return Event(desk.ids.new(), message.tenant, message.seq, "ACTIVE", desk.clock(), facets=facets_of(message))


def _report(future: "asyncio.Future[None]") -> None:
    if not future.cancelled() and future.exception() is not None:
        _log.warning("an event was not recorded: %s", future.exception())
