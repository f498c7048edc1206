"""A simulated deployment: this file answers requests as the platform would, and reports what it has seen."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

from ringback.simulate import findings
from ringback.simulate.exchange import Exchange
from ringback.simulate.fleet import KILLED, Fleet
from ringback.simulate.happenings import Answered, Changed, Happening
from ringback.simulate.instance import Application, Instance
from ringback.simulate.ledger import Ledger
from ringback.simulate.platforms import Platform
from ringback.simulate.relay import Relay
from ringback.simulate.report import Report

_SETTLED_WITHIN_S = 2.0
_MOST_REMEMBERED = 200


class Deployment:
    """One application on one platform.

    Args:
        application: what is deployed.
        platform: its rules.
        listen: told everything that happens.

    Attributes:
        fleet: the instances.
        answered: the last requests.
        requests: how many there were.
    """

    def __init__(
        self, application: Application, platform: Platform, listen: Callable[[Happening], None] | None = None
    ) -> None:
        self.application, self.platform = application, platform
        self.answered: deque[Answered] = deque(maxlen=_MOST_REMEMBERED)
        self.requests = 0
        self._listen = listen or (lambda _: None)
        self._ledger = Ledger()
        self._through: dict[str, tuple[asyncio.Event, Exchange]] = {}
        self._carrying: dict[Exchange, asyncio.Task[None]] = {}
        self._answering: dict[Exchange, asyncio.Event] = {}
        self._relay = Relay(platform, application.host)
        self.fleet = Fleet(application, platform, self._ledger, self._listen, self._is_through)

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request as the platform would; returns when its caller has the answer."""
        told = self._answering[exchange] = asyncio.Event()
        try:
            await self._answer(exchange)
        finally:
            del self._answering[exchange]
            told.set()

    async def _answer(self, exchange: Exchange) -> None:
        call = exchange.call
        self.requests += 1
        self._ledger.note(*findings.body(call.name, len(call.body), self.platform.request_bytes, "request"))
        if len(call.body) > self.platform.request_bytes:
            await exchange.refuse(413, "request body too large")
        elif (instance := await self.fleet.take(exchange)) is None:
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
        """Wait until the instances are through with what their callers have the answers to, and it is told; a while at most."""
        answered = [told for exchange, told in self._answering.items() if exchange.complete]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                for told in answered:
                    await told.wait()

    def report(self) -> Report:
        """Return what there is to tell so far."""
        found = tuple(self._ledger.findings(self.fleet.lives()))
        cold_starts, guard = self.fleet.cold_starts, self.fleet.guard
        return Report(self.platform.name, self.application.target, self.requests, cold_starts, guard, found)

    async def redeploy(self) -> None:
        """Give new requests to new instances, which load the code anew; old ones finish theirs."""
        await self.settle()
        self._listen(Changed("", "redeployed: new requests go to new instances"))
        self.fleet.retire()

    async def kill(self) -> None:
        """Kill every instance in the middle of what it does, as a platform may at any time."""
        await self.fleet.kill()

    async def close(self) -> None:
        """End all instances."""
        await self.fleet.kill()
        while self._carrying:
            await asyncio.wait(self._carrying.values())
        await self.fleet.close()
        await self._relay.close()

    async def _wait_for(self, exchange: Exchange, instance: Instance) -> None:
        task = self._carrying[exchange] = asyncio.create_task(self._carry(exchange, instance))
        task.add_done_callback(lambda _: self._carrying.pop(exchange))
        if self.platform.patience is not None:
            seconds, status = self.platform.patience
            await asyncio.wait({task}, timeout=seconds)
            if not task.done() and not instance.ended.is_set():
                self._ledger.note(findings.overdue(exchange.call.name, seconds, killed=False))
                await exchange.refuse(status, f"no answer within {seconds:g} s")
                return
        await asyncio.wait({task})

    async def _carry(self, exchange: Exchange, instance: Instance) -> None:
        """Take a request through an instance; it is over when the application is through, not when it has answered."""
        through = asyncio.Event()
        self._through[exchange.id] = through, exchange
        try:
            await instance.started.wait()
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(self.platform.duration_s if self.platform.kills else None):
                self._ledger.note(*await self._relay.carry(exchange, instance.port))
                await _first_of(through, instance.ended)
            took = asyncio.get_running_loop().time() - began
            if not exchange.note and not instance.ended.is_set():
                self._ledger.note(*findings.lasted(exchange.call.name, took, self.platform.duration_s))
        except TimeoutError:
            await self._overdue(exchange, instance)
        except httpx.TransportError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(instance.ended.wait(), 1)
            status = 502 if instance.ended_by == KILLED else self.platform.memory_status
            await exchange.refuse(status, instance.ended_by or "the instance ended")
        finally:
            del self._through[exchange.id]
            await self.fleet.release(instance, exchange)

    async def _overdue(self, exchange: Exchange, instance: Instance) -> None:
        """Answer for an instance that took too long; it is killed once its other requests are through."""
        limit = self.platform.duration_s
        self._ledger.note(findings.overdue(exchange.call.name, limit, killed=True))
        await exchange.refuse(self.platform.timeout_status, f"no answer within {limit:g} s; the instance was killed")
        instance.retired = True

    def _is_through(self, instance: Instance, said: dict[str, Any]) -> None:
        through, exchange = self._through.get(said["request"], (None, None))
        if through and exchange:
            self._ledger.ended(instance.name, exchange.call.name, said)
            through.set()


async def _first_of(*events: asyncio.Event) -> None:
    waiting = {asyncio.create_task(one.wait()) for one in events}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
