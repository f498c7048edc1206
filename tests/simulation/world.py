"""A world in one process: brokers with differing clocks on one disk, and everything that may happen to them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ringback.broker.changes import Changes
from ringback.broker.records import Node as NodeRecord
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import StoreUnavailable
from simulation import virtual
from simulation.account import Account
from simulation.book import SKEW_MS
from simulation.disk import Disk
from simulation.endpoints import Endpoints
from simulation.functions import Functions
from simulation.impatient import Impatient
from simulation.known import Known
from simulation.node import Node
from simulation.steps import Steps
from simulation.verdict import Broken
from simulation.windows import WINDOW_MS
from simulation.witness import Witness

if TYPE_CHECKING:
    from simulation.disk import NodeStore
    from simulation.postgres.node_store import Database, SharedStore

NODE_TIMEOUT_MS = 6_000
LIMITS = Limits(dedup_window_ms=WINDOW_MS)
FORGETFUL = replace(LIMITS, log_retention_ms=40_000, dlq_retention_ms=60_000)
"""Keeps history so short that it is forgotten while things happen."""


class World:
    """Brokers, disk, endpoints.

    Args:
        seed: everything that is left to chance follows from it.
        brokers: how many there are.
        alone: the one broker has the disk for itself, as with SQLite.
        forgetful: history is kept for less than a minute or so.
        disk: makes where records are, if that is not a disk.
        skew_ms: by how much clocks may be wrong.
    """

    def __init__(
        self,
        seed: int,
        brokers: int,
        *,
        alone: bool = False,
        forgetful: bool = False,
        disk: "Callable[[Counter[str]], Database] | None" = None,
        skew_ms: int = SKEW_MS,
    ) -> None:
        self.chance = random.Random(seed)
        self._narrow = seed % 16 in (10, 12)  # brokers have little room for bodies: it holds up nearly everything else
        self.seen: Counter[str] = Counter()
        self.story: list[str] = []
        self.known = Known()
        self.limits = FORGETFUL if forgetful else LIMITS
        self.account = Account(self.seen, self.known, self.limits)
        self.witness = Witness(self.account)
        self.endpoints = Endpoints(self)
        self.functions = Functions(self, seed)
        self.steps = Steps(self, seed)
        self.impatient = Impatient(self, seed)
        self.disk: Disk | Database = disk(self.seen) if disk else Disk(random.Random(seed + 1), self.seen)
        self._skew_ms = skew_ms
        self.disk.on_durable = self._durable
        self.tasks: set[asyncio.Task[Any]] = set()
        self.calm = False
        self.alone = alone
        self.leaving = 0
        self.waits_ms: tuple[int, ...] = (3_000, 3_000)
        self.watches_ticks = 0.3  # how likely it is that schedules are watched in peace, which takes long
        self._bodies = 0
        self.nodes: list[Node | None] = [None] * brokers
        self._starting = [asyncio.Lock() for _ in self.nodes]
        self._ever: list[Node] = []
        self.verdict: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.laws: Callable[[World], None] = lambda _: None

    def tell(self, line: str) -> None:
        """Note what happens, for whoever reads the story of a seed that fails."""
        self.story.append(f"{asyncio.get_running_loop().time():9.3f} {line}")

    def accuse(self, broken: Broken) -> None:
        """A law is broken: the history ends with that, whoever may catch exceptions."""
        if not self.verdict.done():
            self.verdict.set_exception(broken)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Hold an answer against laws: one that is broken ends the history."""
        try:
            yield
        except Broken as broken:
            self.accuse(broken)

    def _durable(
        self, writer: "NodeStore | SharedStore", number: int, applied: list[Changes], *, heard: bool = True
    ) -> None:
        try:
            self.account.take(number, applied)
            if not heard or writer.cut_off:  # a broker that has joined without knowing it yet
                joined = [one for changes in applied for one in changes.put if isinstance(one, NodeRecord)]
                self.account.shaken.update(one.number for one in joined)
            if any(type(record) is not NodeRecord for changes in applied for record in (*changes.put, *changes.drop)):
                self.laws(self)
        except Broken as broken:
            self.accuse(broken)

    def ask(self, call: Coroutine[Any, Any, Any]) -> None:
        """Let a call go on beside everything else; its broker may die before it answers."""
        task = asyncio.get_running_loop().create_task(call)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def end(self) -> None:
        """The history is over: nothing stands still any more."""
        self.verdict.cancel()
        for node in self._ever:
            node.moves.set()

    def any_node(self) -> Node | None:
        """Return a broker that is up, or seems to be."""
        up = [node for node in self.nodes if node is not None]
        return self.chance.choice(up) if up else None

    async def start(self, number: int) -> None:
        """Start a broker, unless it runs or another one has the disk for itself."""
        async with self._starting[number]:
            if self.nodes[number] is None and not (self.alone and self.leaving):
                await self._start(number)

    async def _start(self, number: int) -> None:
        room = self.chance.choice((2, 5, 50))
        store = self.disk.store(shared=not self.alone)
        per_host = self.chance.choice((1, 2, room))
        in_bytes = 20 if self._narrow else 1 << 30
        timeout = NODE_TIMEOUT_MS
        node = Node(store, self.limits, room=room, per_host=per_host, in_flight_bytes=in_bytes, node_timeout_ms=timeout)
        node.skew, node.world = self.chance.randrange(-self._skew_ms, self._skew_ms), self
        node.moves = asyncio.Event()
        node.moves.set()
        self._ever.append(node)
        store.number = lambda: node.number
        store.is_sure = lambda: node.broker.desk.lease() is not None
        self.tell(f"broker {number} starts, its clock is off by {node.skew} ms")
        self.seen["a broker started"] += 1
        try:
            await node.broker.open()
        except StoreUnavailable:
            self.tell(f"broker {number} cannot start: the store is away")
            self._shake(node)
            if node.store.tasks:
                await self._vanish(node)
            return
        node.broker.run()
        node.broker.watchers.append(lambda _: self._look_at(node))
        self.nodes[number] = node  # it is asked for something only now, as a server listens only now

    async def kill(self, number: int) -> None:
        """SIGKILL, or a machine that is gone."""
        node = self.nodes[number]
        if node is None:
            return
        self.tell(f"broker {number} is killed")
        self.seen["a broker was killed"] += 1
        self.nodes[number] = None
        self._shake(node)
        await self._vanish(node)

    async def _vanish(self, node: Node) -> None:
        node.store.gone = True
        node.moves.set()  # a process that stands still dies all the same
        self.disk.lose(node.store)
        broker = node.broker
        tasks = [*broker._loops, *broker._signs_of_life, *broker.dispatcher._tasks, *node.store.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def terminate(self, number: int) -> None:
        """SIGTERM: calls that are being answered are let finish, as a server does, then the broker closes."""
        node = self.nodes[number]
        if node is None or node.store.cut_off:
            return
        self.tell(f"broker {number} gets SIGTERM")
        self.seen["a broker was terminated"] += 1
        self.nodes[number] = None
        self.leaving += 1
        self.account.leaving.add(node.number)
        while self.disk.is_wanted_by(node.store):
            await asyncio.sleep(0.001)
        if node.broker.dispatcher._tasks:
            self.seen["a broker was terminated with attempts in flight"] += 1
        self.account.leaving.add(node.number)  # it may have begun anew meanwhile
        await node.broker.close(self.chance.choice((0.1, 10.0)))
        self._shake(node)
        self.leaving -= 1

    async def cut_off(self, number: int) -> None:
        """The way to the disk is blocked for a while, longer than the others wait for a sign of life, or not."""
        node = self.nodes[number]
        if node is None or node.store.cut_off:
            return
        self.tell(f"broker {number} is cut off")
        self.seen["a broker was cut off"] += 1
        await self._blocked(node)

    async def stop(self, number: int) -> None:
        """The process stands still, as under SIGSTOP or on a machine that is moved: it does not even notice that it is late."""
        node = self.nodes[number]
        if node is None or node.store.cut_off:
            return
        self.tell(f"broker {number} stands still")
        self.seen["a broker stood still"] += 1
        node.moves.clear()
        node.store.still = node.store.cut_off = True
        for sent in self.witness.open:
            sent.stood_still |= sent.node is node
        fence = node.broker._signs_of_life.pop()
        fence.cancel()
        with suppress(asyncio.CancelledError):
            await fence
        await self._blocked(node)
        self.tell(f"broker {number} goes on")
        node.moves.set()
        if self.nodes[number] is node:
            again = asyncio.get_running_loop().create_task(node.broker.membership.fence.run())
            node.broker._signs_of_life.append(again)
            node.store.go_on()

    async def crash(self) -> None:
        """The store goes down under all brokers."""
        if self.disk.away:
            return
        seconds = self.chance.choice((0.01, 0.5, 3.0))
        self.tell(f"the store is away for {seconds} s")
        self.seen["the store crashed"] += 1
        for node in self.nodes:
            if node is not None:
                self._shake(node)
        self.disk.crash(seconds)

    async def wait(self) -> None:
        """Nothing is done for a while; schedules tick at the end of it, or soon after."""
        ms = self.chance.choice((*self.waits_ms, 60_000 - virtual.now() % 60_000))
        await asyncio.sleep(ms / 1000 - self.chance.random())

    def new_body(self, about: str) -> bytes:
        """Return what no other message says."""
        self._bodies += 1
        return f"{about} {self._bodies}".encode()

    async def set_clock(self, number: int) -> None:
        """The clock of a machine is put right, or wrong."""
        node = self.nodes[number]
        if node is None:
            return
        skew = self.chance.randrange(-self._skew_ms, self._skew_ms)
        self.seen["a clock stepped back" if skew < node.skew else "a clock stepped forward"] += 1
        self.tell(f"the clock of broker {number} steps by {skew - node.skew} ms")
        node.skew = skew

    async def _blocked(self, node: Node) -> None:
        self._shake(node)
        node.store.cut_off = True
        await asyncio.sleep(self.chance.choice((1, 7, 8, 15)))
        node.store.cut_off = False
        self.disk.wake()

    def _look_at(self, node: Node) -> None:
        self.seen["a message waited for its host"] += bool(node.broker.dispatcher._waiting)
        self.seen["a message waited for room"] += bool(node.broker.dispatcher._beyond)
        self.seen["bodies filled the room they have"] += node.broker.dispatcher._bytes >= node.in_flight_bytes

    def _shake(self, node: Node) -> None:
        """Others may take this broker for dead from now on, and it may not know what it holds."""
        self.account.shaken.add(node.number)
