"""The instances of a deployment: this file starts them on demand, freezes, thaws and ends them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ringback.simulate import findings
from ringback.simulate.exchange import Exchange
from ringback.simulate.findings import Life
from ringback.simulate.happenings import Changed, Happening, Logged
from ringback.simulate.instance import DID_NOT_START, Application, Instance, InstanceFailed
from ringback.simulate.ledger import Ledger
from ringback.simulate.placement import place
from ringback.simulate.platforms import Platform

KILLED = "killed"
_REPLACED = "replaced by a new deployment"
_BETWEEN_LOOKS_S = 0.1


class Fleet:
    """Every instance there is.

    Args:
        application: what they run.
        platform: how many there may be, and what each may take.
        ledger: where what is seen goes.
        listen: told everything that happens.
        through: told when an instance is through with a request: the instance, and its report.

    Attributes:
        instances: those that live.
        cold_starts: how many there have been.
        guard: what holds the file system, as an instance said.
    """

    def __init__(
        self,
        application: Application,
        platform: Platform,
        ledger: Ledger,
        listen: Callable[[Happening], None],
        through: Callable[[Instance, dict[str, Any]], None],
    ) -> None:
        self.instances: list[Instance] = []
        self.cold_starts = 0
        self.guard = ""
        self._application, self._platform, self._ledger = application, platform, ledger
        self._listen, self._through = listen, through
        self._lives: dict[str, Life] = {}
        self._idle: dict[Instance, asyncio.TimerHandle] = {}
        self._room = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching = asyncio.create_task(self._watch_memory())

    def lives(self) -> dict[str, Life]:
        """Return how long each instance has lived, by name."""
        return self._lives | {one.name: one.life() for one in self.instances}

    async def take(self, exchange: Exchange) -> Instance | None:
        """Return an instance that has taken a request, None if none is free in time."""
        try:
            async with asyncio.timeout(self._platform.queue_s), self._room:
                while not self._has_room():
                    await self._room.wait()
        except TimeoutError:
            if not self._has_room():
                return None
        instance = place(self.instances, self._platform)
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

    async def release(self, instance: Instance, exchange: Exchange) -> None:
        """A request is over for its instance: freeze it if it was the last one."""
        instance.in_flight.pop(exchange.id, None)
        instance.served += 1
        await self._tell_of_room()
        if instance.in_flight or instance.ended.is_set():
            return
        self._ledger.note(*findings.memory_near(exchange.call.name, instance.memory_mb(), self._platform.memory_mb))
        if instance.retired:
            await self._end(instance, exchange.note or _REPLACED)
            return
        for command in instance.freeze():
            self._ledger.note(findings.child_left(command, exchange.call.name))
        self._ledger.froze(instance.name)
        self._listen(Changed(instance.name, "frozen"))
        loop = asyncio.get_running_loop()
        self._idle[instance] = loop.call_later(self._platform.idle_s, lambda: self._soon(self._end(instance, "idle")))

    def retire(self) -> None:
        """Give no more requests to the present instances; they end when they have finished theirs."""
        for instance in list(self.instances):
            instance.retired = True
            if not instance.in_flight:
                self._soon(self._end(instance, _REPLACED))

    async def kill(self) -> None:
        """Kill every instance in the middle of what it does."""
        await asyncio.gather(*(self._end(instance, KILLED) for instance in list(self.instances)))

    async def close(self) -> None:
        """End all instances, and what goes on about them."""
        self._watching.cancel()
        await self.kill()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _has_room(self) -> bool:
        working = sum(not one.retired for one in self.instances)
        return working < self._platform.instances or place(self.instances, self._platform) is not None

    async def _start(self, instance: Instance) -> None:
        try:
            await instance.start(self._application, self._platform)
        except InstanceFailed as error:
            if instance.ended_by == DID_NOT_START:  # and was not killed while it started
                self._listen(Logged(instance.name, str(error)))
                self._ledger.note(findings.not_started(instance.name, str(error)))
            self._forget(instance)

    def _heard(self, instance: Instance, said: dict[str, Any]) -> None:
        """Take an instance's word."""
        match said["kind"]:
            case "ready":
                self.guard = said["guard"]
                self._ledger.started(instance.name, said["work"], said["state"])
                self._listen(Changed(instance.name, f"started ({said['interface']})"))
            case "end":
                self._through(instance, said)
            case "write" if said["database"]:
                self._ledger.note(findings.local_database(said["path"], said["place"]))
            case "write":
                self._ledger.note(findings.written(said["path"], said["place"], refused=self._platform.read_only))
            case "log":
                self._listen(Logged(instance.name, said["text"]))
            case "gone":
                self._gone(instance, said["status"])

    def _gone(self, instance: Instance, status: int) -> None:
        if not instance.ended_by and instance.port:
            instance.ended_by = f"the instance ended by itself with status {status}"
            self._ledger.note(findings.crashed(instance.busy_with, status))
            self._listen(Changed(instance.name, instance.ended_by))
            self._soon(self._end(instance, instance.ended_by))
        self._forget(instance)

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            for instance in [one for one in self.instances if one.in_flight]:
                used, limit = instance.memory_mb(), self._platform.memory_mb
                if used > limit:
                    self._ledger.note(findings.too_much_memory(instance.busy_with, used, limit))
                    await self._end(instance, f"the instance took {used:.0f} MiB and was killed")

    async def _end(self, instance: Instance, why: str) -> None:
        if timer := self._idle.pop(instance, None):
            timer.cancel()
        if not instance.ended.is_set() and not instance.ended_by:
            self._listen(Changed(instance.name, f"ended: {why}"))
        await instance.end(why)
        self._forget(instance)

    def _forget(self, instance: Instance) -> None:
        if instance in self.instances:
            self._lives[instance.name] = instance.life()
            self._ledger.forget(instance.name)
            self.instances.remove(instance)
            self._soon(self._tell_of_room())

    async def _tell_of_room(self) -> None:
        async with self._room:
            self._room.notify_all()

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
