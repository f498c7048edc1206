"""A world in one process: brokers with differing clocks on one disk, endpoints of every kind, and what an outsider knows."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ringback.broker.records import Delivery
from ringback.errors import RingbackError
from ringback.wire.http import Outbound, Outcome
from simulation.disk import Disk, NodeStore
from support.inprocess import START, InProcess

RETRIES = 2
TIMEOUT_S = 20
NODE_TIMEOUT_MS = 6_000
STEPS = 3
KEYS = {"slow": 1, "wide": 3}
HOOK, FLOW, CALLBACK = "https://e.example/in", "https://w.example/wf", "https://cb.example/told"
SDK = [("Upstash-Workflow-Sdk-Version", "1"), ("Upstash-workflow-sdk", "v1.3.2")]


class Node(InProcess):
    """One broker; its clock is the loop's, and wrong by some seconds."""

    skew = 0
    world: "World"
    moves: asyncio.Event

    @property
    def at(self) -> int:
        return START + int(asyncio.get_event_loop().time() * 1000) + self.skew

    @at.setter
    def at(self, _: int) -> None:
        """The dataclass wants to set it; the loop's time is the time."""

    async def send(self, outbound: Outbound) -> Outcome:
        try:
            async with asyncio.timeout(outbound.timeout_ms / 1000):
                return await self.world.receive(outbound)
        except TimeoutError:
            return Outcome(0, error="no complete response in time", timed_out=True)
        finally:
            await self.moves.wait()


@dataclass
class Known:
    """What an outsider knows.

    Attributes:
        acknowledged: ids of accepted messages.
        canceled: those a cancel was accepted for.
        attempts: requests that came, by message.
        repeated: attempts whose end may not have been written down, by message: these may be made once more.
        runs: ids of runs whose start was acknowledged.
        told: callbacks that came, by the message they tell of.
    """

    acknowledged: list[str] = field(default_factory=list)
    canceled: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)


class World:
    """Brokers, disk, endpoints.

    Args:
        seed: everything that is left to chance follows from it.
        brokers: how many there are.
    """

    def __init__(self, seed: int, brokers: int) -> None:
        self.chance = random.Random(seed)
        self.disk = Disk(random.Random(seed + 1))
        self.known = Known()
        self.story: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.calm = False
        self.nodes: list[Node | None] = [None] * brokers

    def tell(self, line: str) -> None:
        """Note what happens, for whoever reads the story of a seed that fails."""
        self.story.append(f"{asyncio.get_running_loop().time():9.3f} {line}")

    # Brokers come and go.

    async def start(self, number: int) -> None:
        node = Node(NodeStore(self.disk), room=self.chance.choice((2, 5, 50)), node_timeout_ms=NODE_TIMEOUT_MS)
        node.skew, node.world = self.chance.randrange(-3000, 3000), self
        node.moves = asyncio.Event()
        node.moves.set()
        node.store.number = lambda: node.broker.desk.node.number  # type: ignore[attr-defined]
        self.tell(f"broker {number} starts, its clock is off by {node.skew} ms")
        await node.broker.open()
        node.broker.run()
        node.broker._loops[4].set_name("fence")
        self.nodes[number] = node  # it is asked for something only now, as a server listens only now

    async def kill(self, number: int) -> None:
        node = self.nodes[number]
        if node is None:
            return
        self.tell(f"broker {number} is killed")
        self.nodes[number] = None
        node.store.gone = True  # type: ignore[attr-defined]
        node.moves.set()  # a process that stands still dies all the same
        self.disk.lose(node.store)  # type: ignore[arg-type]
        self._forget(node)
        tasks = [*node.broker._loops, *node.broker.dispatcher._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def terminate(self, number: int) -> None:
        node = self.nodes[number]
        if node is None or node.store.cut_off:  # type: ignore[attr-defined]
            return
        self.tell(f"broker {number} gets SIGTERM")
        self.nodes[number] = None
        while self.disk.is_wanted_by(node.store):  # type: ignore[arg-type]
            await asyncio.sleep(0.001)  # calls that are being answered are let finish first, as a server does
        self._forget(node)
        await node.broker.close(self.chance.choice((0.1, 10.0)))

    async def cut_off(self, number: int) -> None:
        """The way to the disk is blocked for a while, longer than the others wait for a sign of life, or not."""
        node = self.nodes[number]
        if node is None or node.store.cut_off:  # type: ignore[attr-defined]
            return
        seconds = self.chance.choice((1, 7, 8, 15))
        self.tell(f"broker {number} is cut off for {seconds} s")
        self._forget(node)
        node.store.cut_off = True  # type: ignore[attr-defined]
        await asyncio.sleep(seconds)
        node.store.cut_off = False  # type: ignore[attr-defined]
        self.disk.wake()

    async def stop(self, number: int) -> None:
        """The process stands still, as under SIGSTOP or on a machine that is moved: it does not even notice that it is late."""
        node = self.nodes[number]
        if node is None or node.store.cut_off:  # type: ignore[attr-defined]
            return
        self.tell(f"broker {number} stands still")
        node.moves.clear()
        fence = next(task for task in node.broker._loops if task.get_name() == "fence")
        fence.cancel()
        await self.cut_off(number)
        self.tell(f"broker {number} goes on")
        node.moves.set()
        if self.nodes[number] is node:
            again = asyncio.get_running_loop().create_task(node.broker.membership.fence.run(), name="fence")
            node.broker._loops[node.broker._loops.index(fence)] = again

    def _forget(self, node: Node) -> None:
        """What this broker has in flight may be attempted once more by another."""
        number = node.broker.desk.node.number
        for delivery in self.disk.rows[Delivery].values():
            assert isinstance(delivery, Delivery)
            if delivery.lease == number:
                self.known.repeated[f"msg_{delivery.seq:016x}"] += 1

    # What is asked of them.

    def ask(self, call: Any) -> None:
        """Let a call go on beside everything else; its broker may die before it answers."""
        task = asyncio.get_running_loop().create_task(call)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def any_node(self) -> Node | None:
        up = [node for node in self.nodes if node is not None]
        return self.chance.choice(up) if up else None

    async def publish(self) -> None:
        headers = {"upstash_retries": str(RETRIES), "upstash_retry_delay": str(self.chance.choice((0, 500, 4000)))}
        headers["upstash_timeout"] = f"{TIMEOUT_S}s"
        if self.chance.random() < 0.3:
            headers["upstash_delay"] = f"{self.chance.randrange(1, 9000)}ms"
        if self.chance.random() < 0.3:
            headers["upstash_callback"] = headers["upstash_failure_callback"] = CALLBACK
        if self.chance.random() < 0.5:
            key = self.chance.choice(list(KEYS))
            headers |= {"upstash_flow_control_key": key, "upstash_flow_control_value": f"parallelism={KEYS[key]}"}
        queue = self.chance.random() < 0.25
        node = self.any_node()
        if node is None:
            return
        with suppress(RingbackError):
            way = "/v2/enqueue/q" if queue else "/v2/publish"
            answer = await node.call("POST", f"{way}/{HOOK}", b"x", **headers)
            if answer.status == 200:
                self.known.acknowledged.append(answer.json["messageId"])
                self.tell(f"{answer.json['messageId']} is acknowledged ({'queue' if queue else 'no queue'})")

    async def cancel(self) -> None:
        node = self.any_node()
        if node is None or not self.known.acknowledged:
            return
        message = self.chance.choice(self.known.acknowledged)
        self.known.canceled.add(message)
        self.tell(f"{message} is to be canceled")
        await node.call("DELETE", f"/v2/messages/{message}")

    async def trigger(self) -> None:
        node = self.any_node()
        if node is None:
            return
        run = f"wfr_{len(self.story)}"
        if await self._submit(node, run, {"Upstash-Workflow-Init": "true"}, "payload"):
            self.known.runs.append(run)
            self.tell(f"run {run} is acknowledged")

    async def _submit(self, node: Node, run: str, more: dict[str, str], body: str) -> bool:
        headers = {
            "Upstash-Workflow-Init": "false",
            "Upstash-Workflow-RunId": run,
            "Upstash-Workflow-Url": FLOW,
            "Upstash-Feature-Set": "LazyFetch,InitialBody",
            "Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
            "Upstash-Retries": "50",
            "Upstash-Retry-Delay": "1000",
            "Upstash-Timeout": f"{TIMEOUT_S}s",
        } | more
        answer = await node.call("POST", "/v2/batch", [{"destination": FLOW, "headers": headers, "body": body}])
        return answer.status == 200

    # Endpoints.

    async def receive(self, outbound: Outbound) -> Outcome:
        """Be all endpoints."""
        headers = dict(outbound.headers)
        message = headers["Upstash-Message-Id"]
        self.known.attempts[message] += 1
        roll = self.chance.random() if not self.calm else 0.5
        if outbound.url == CALLBACK:
            self.known.told[json.loads(outbound.body)["sourceMessageId"]] += roll < 0.85
        if roll < 0.15:  # answers late, or not before the attempt is over
            await asyncio.sleep(self.chance.choice((3, 6, 9, TIMEOUT_S - 1, TIMEOUT_S + 1)))
        await asyncio.sleep(self.chance.uniform(0.001, 0.3))
        if outbound.url == FLOW:
            return await self._workflow(headers["Upstash-Workflow-RunId"], outbound.body, roll)
        if roll < 0.85:
            return Outcome(200, [("X", "y")], b"ok")
        wrong = (Outcome(500), Outcome(404), Outcome(302), Outcome(0, error="connection refused"), Outcome(489))
        final = Outcome(489, [("Upstash-NonRetryable-Error", "true")])
        return self.chance.choice((*wrong, final))

    async def _workflow(self, run: str, body: bytes, roll: float) -> Outcome:
        """A workflow of a few steps whose endpoint submits results, sometimes twice, sometimes without answering."""
        listed = len(json.loads(body or b"[]"))
        node = self.any_node()
        if node is None:
            return Outcome(0, error="no broker can be reached")
        times = 2 if roll > 0.8 else 1
        for _ in range(times):
            if listed > STEPS:
                await node.call("DELETE", f"/v2/workflows/runs/{run}?cancel=false")
            else:
                step = {"stepId": listed, "stepName": f"s{listed}", "stepType": "Run", "out": "1", "concurrent": 1}
                await self._submit(node, run, {}, json.dumps(step))
        return Outcome(500, list(SDK)) if roll > 0.95 else Outcome(200, list(SDK), b"{}")
