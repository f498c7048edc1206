"""A simulated deployment: this file gives requests to instances, holds them to the platform's limits and ends them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from ringback.simulate import findings
from ringback.simulate.exchange import Exchange
from ringback.simulate.findings import Finding
from ringback.simulate.happenings import Answered, Changed, Happening, Logged
from ringback.simulate.instance import DID_NOT_START, Application, Instance, InstanceFailed
from ringback.simulate.ledger import Ledger, Life
from ringback.simulate.placement import place
from ringback.simulate.platforms import Platform
from ringback.simulate.report import Report

_BETWEEN_LOOKS_S = 0.1
_SETTLED_WITHIN_S = 2.0
_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"}
_MOST_REMEMBERED = 200


class Deployment:
    """One application on one platform.

    Args:
        application: what is deployed.
        platform: its rules.
        listen: told everything that happens.

    Attributes:
        instances: those that live.
        answered: the last requests.
        requests, cold_starts: how many there were.
    """

    def __init__(
        self, application: Application, platform: Platform, listen: Callable[[Happening], None] | None = None
    ) -> None:
        self.application, self.platform = application, platform
        self.instances: list[Instance] = []
        self.answered: deque[Answered] = deque(maxlen=_MOST_REMEMBERED)
        self.requests = self.cold_starts = 0
        self.guard = ""
        self._listen = listen or (lambda _: None)
        self._ledger = Ledger()
        self._lives: dict[str, Life] = {}
        self._exchanges: dict[str, tuple[asyncio.Event, Exchange]] = {}
        self._carrying: dict[Exchange, asyncio.Task[None]] = {}
        self._idle: dict[Instance, asyncio.TimerHandle] = {}
        self._room = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        # A kept connection would be open across a freeze
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(limits=limits, timeout=None, trust_env=False)  # noqa: S113 - duration_s bounds it
        self._client.headers.clear()  # the caller's headers, and no others
        self._watching = asyncio.create_task(self._watch_memory())

    def findings(self) -> list[Finding]:
        """Return what would have gone wrong so far, the worst first."""
        return self._ledger.findings(self._lives | {one.name: one.life() for one in self.instances})

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request as the platform would; returns when its caller has the answer."""
        call = exchange.call
        self.requests += 1
        self._ledger.note(*findings.body(call.name, len(call.body), self.platform.request_bytes, "request"))
        if len(call.body) > self.platform.request_bytes:
            await exchange.refuse(413, "request body too large")
        elif (instance := await self._taken(exchange)) is None:
            self._ledger.note(findings.refused(call.name, self.platform.instances))
            await exchange.refuse(429, "no instance is free")
        else:
            await self._wait_for(exchange, instance)
        done = Answered(
            call.name, exchange.status, round(exchange.seconds, 3), exchange.instance, exchange.cold, exchange.note
        )
        self.answered.append(done)
        self._listen(done)

    async def settle(self) -> None:
        """Wait until the instances are through with what their callers have the answers to, for a while at most."""
        answered = [task for exchange, task in self._carrying.items() if exchange.complete]
        if answered:
            await asyncio.wait(answered, timeout=_SETTLED_WITHIN_S)

    def report(self) -> Report:
        """Return what there is to tell so far."""
        return Report(
            self.platform.name,
            self.application.target,
            self.requests,
            self.cold_starts,
            self.guard,
            tuple(self.findings()),
        )

    def redeploy(self) -> None:
        """Give new requests to new instances, which load the code anew; old ones finish theirs."""
        self._listen(Changed("", "redeployed: new requests go to new instances"))
        for instance in list(self.instances):
            instance.retired = True
            if not instance.in_flight:
                self._soon(self._end(instance, "replaced by a new deployment"))

    async def kill(self) -> None:
        """Kill every instance in the middle of what it does, as a platform may at any time."""
        await asyncio.gather(*(self._end(instance, "killed") for instance in list(self.instances)))

    async def close(self) -> None:
        """End all instances."""
        self._watching.cancel()
        await self.kill()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.aclose()

    async def _taken(self, exchange: Exchange) -> Instance | None:
        """Return an instance that has taken the request, None if none is free in time."""
        try:
            async with asyncio.timeout(self.platform.queue_s), self._room:
                while not self._has_room():
                    await self._room.wait()
        except TimeoutError:
            if not self._has_room():
                return None
        instance = place(self.instances, self.platform)
        if instance is None:
            exchange.cold = True
            self.cold_starts += 1
            instance = Instance(f"instance {self.cold_starts}", self._heard)
            self.instances.append(instance)
            self._soon(self._start(instance))
        if timer := self._idle.pop(instance, None):
            timer.cancel()
        instance.in_flight[exchange.id] = exchange.call.name
        exchange.instance = instance.name
        if instance.is_frozen:
            instance.thaw()
            self._listen(Changed(instance.name, "thawed"))
        return instance

    def _has_room(self) -> bool:
        working = sum(not one.retired for one in self.instances)
        return working < self.platform.instances or place(self.instances, self.platform) is not None

    async def _start(self, instance: Instance) -> None:
        try:
            await instance.start(self.application, self.platform)
        except InstanceFailed as error:
            if instance.ended_by == DID_NOT_START:  # and was not killed while it started
                self._listen(Logged(instance.name, str(error)))
                self._ledger.note(findings.not_started(instance.name, str(error)))
            self._forget(instance)

    async def _wait_for(self, exchange: Exchange, instance: Instance) -> None:
        task = self._carrying[exchange] = self._soon(self._carry(exchange, instance))
        task.add_done_callback(lambda _: self._carrying.pop(exchange))
        if self.platform.patience is None:
            await asyncio.wait({task})
            return
        seconds, status = self.platform.patience
        await asyncio.wait({task}, timeout=seconds)
        if not task.done() and not instance.ended.is_set():
            self._ledger.note(findings.overdue(exchange.call.name, seconds, killed=False))
            await exchange.refuse(status, f"no answer within {seconds:g} s")

    async def _carry(self, exchange: Exchange, instance: Instance) -> None:
        """Take a request through an instance; it is over when the application is through, not when it has answered."""
        through = asyncio.Event()
        self._exchanges[exchange.id] = through, exchange
        try:
            await instance.started.wait()
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(self.platform.duration_s if self.platform.kills else None):
                await self._relay(exchange, instance)
                await self._first_of(through, instance.ended)
            took = asyncio.get_running_loop().time() - began
            if not exchange.note and not instance.ended.is_set():
                self._ledger.note(*findings.lasted(exchange.call.name, took, self.platform.duration_s))
        except TimeoutError:
            await self._overdue(exchange, instance)
        except httpx.TransportError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(instance.ended.wait(), 1)
            await exchange.refuse(self._status_of_end(instance), instance.ended_by or "the instance ended")
        finally:
            del self._exchanges[exchange.id]
            await self._release(instance, exchange)

    async def _overdue(self, exchange: Exchange, instance: Instance) -> None:
        """Kill an instance for a request that took too long, once it has nothing else to do."""
        limit = self.platform.duration_s
        self._ledger.note(findings.overdue(exchange.call.name, limit, killed=True))
        await exchange.refuse(self.platform.timeout_status, f"no answer within {limit:g} s; the instance was killed")
        instance.retired = True

    async def _relay(self, exchange: Exchange, instance: Instance) -> None:
        """Send a request to an instance and its answer to the caller."""
        limit = self.platform.response_bytes
        async with self._client.stream(*_line(exchange, instance), **self._request(exchange)) as answer:
            headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP]
            streamed = self.platform.streams and "content-length" not in answer.headers
            if streamed:
                await exchange.begin(answer.status_code, headers)
            body = bytearray()
            async for part in answer.aiter_raw():
                if streamed:
                    await exchange.part(part, more=True)
                elif len(body) <= limit:
                    body += part
        if streamed:
            await exchange.part(b"", more=False)
            return
        self._ledger.note(*findings.body(exchange.call.name, len(body), limit, "response"))
        if len(body) > limit:
            await exchange.refuse(self.platform.response_status, "response body too large")
            return
        await exchange.begin(answer.status_code, headers)
        await exchange.part(bytes(body), more=False)

    def _request(self, exchange: Exchange) -> dict[str, Any]:
        call = exchange.call
        of_platform = self.platform.headers(self.application.host, call.caller, exchange.id)
        added = {name for name, _ in of_platform}
        kept = [
            (name, value)
            for name, value in call.headers
            if name.lower() not in added and name.lower().encode() not in _HOP
        ]
        deadline = asyncio.get_running_loop().time() + self.platform.duration_s
        ours = [("x-ringback-request", exchange.id), ("x-ringback-deadline", str(deadline))]
        return {"headers": [*kept, *of_platform, *ours], "content": call.body}

    @staticmethod
    async def _first_of(*events: asyncio.Event) -> None:
        waiting = {asyncio.create_task(one.wait()) for one in events}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    def _status_of_end(self, instance: Instance) -> int:
        return self.platform.memory_status if instance.ended_by != "killed" else 502

    def _heard(self, instance: Instance, said: dict[str, Any]) -> None:
        """Take an instance's word."""
        match said["kind"]:
            case "ready":
                self.guard = said["guard"]
                self._ledger.started(instance.name, said["work"], said["state"])
                self._listen(Changed(instance.name, f"started ({said['interface']})"))
            case "end":
                through, exchange = self._exchanges.get(said["request"], (None, None))
                if through and exchange:
                    self._ledger.ended(instance.name, exchange.call.name, exchange.id, said)
                    through.set()
            case "write" if said["database"]:
                self._ledger.note(findings.local_database(said["path"], said["place"]))
            case "write":
                self._ledger.note(findings.written(said["path"], said["place"], refused=self.platform.read_only))
            case "log":
                self._listen(Logged(instance.name, said["text"]))
            case "gone":
                self._gone(instance, said["status"])

    def _gone(self, instance: Instance, status: int) -> None:
        if not instance.ended_by and instance.port:
            instance.ended_by = f"the instance ended by itself with status {status}"
            self._ledger.note(findings.crashed(_what_it_did(instance), status))
            self._listen(Changed(instance.name, instance.ended_by))
            self._soon(self._end(instance, instance.ended_by))
        self._forget(instance)

    async def _release(self, instance: Instance, exchange: Exchange) -> None:
        """A request is over for its instance: freeze it if it was the last one."""
        instance.in_flight.pop(exchange.id, None)
        instance.served += 1
        async with self._room:
            self._room.notify_all()
        if instance.in_flight or instance.ended.is_set():
            return
        self._ledger.note(*findings.memory_near(exchange.call.name, instance.memory_mb(), self.platform.memory_mb))
        if instance.retired:
            await self._end(instance, instance.ended_by or exchange.note or "replaced by a new deployment")
            return
        for command in instance.freeze():
            self._ledger.note(findings.child_left(command, exchange.call.name))
        self._ledger.froze(instance.name)
        self._listen(Changed(instance.name, "frozen"))
        loop = asyncio.get_running_loop()
        self._idle[instance] = loop.call_later(self.platform.idle_s, lambda: self._soon(self._end(instance, "idle")))

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            for instance in [one for one in self.instances if one.in_flight]:
                used, limit = instance.memory_mb(), self.platform.memory_mb
                if used > limit:
                    self._ledger.note(findings.too_much_memory(_what_it_did(instance), used, limit))
                    await self._end(instance, f"the instance took {used:.0f} MiB and was killed")

    async def _end(self, instance: Instance, why: str) -> None:
        if timer := self._idle.pop(instance, None):
            timer.cancel()
        if not instance.ended.is_set() and not instance.ended_by:
            self._listen(Changed(instance.name, f"ended: {why}"))
        await instance.end(why)
        self._forget(instance)

    def _forget(self, instance: Instance) -> None:
        self._lives[instance.name] = instance.life()
        if instance in self.instances:
            self.instances.remove(instance)
            self._soon(self._tell_of_room())

    async def _tell_of_room(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _soon(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _line(exchange: Exchange, instance: Instance) -> tuple[str, str]:
    return exchange.call.method, f"http://127.0.0.1:{instance.port}{exchange.call.target}"


def _what_it_did(instance: Instance) -> str:
    return ", ".join(dict.fromkeys(instance.in_flight.values())) or "no request"
