"""Long random histories of a broker that is stopped at any moment: the laws that must hold at every step.

One seed is one history. More of them: `SEEDS=1000 pytest tests/simulation`.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Event, Lane, Message
from ringback.broker.stores.contract import Query, Store, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.wire.http import Outbound, Outcome
from support.inprocess import InProcess

SEEDS = range(int(os.environ.get("SEEDS", "60")))
STEPS = 120
RETRIES = 2
KEYS = {"slow": 1, "wide": 3}
QUEUES = {"alone": 1, "pair": 2}


@dataclass
class Ledger:
    """What the outside world knows: what was acknowledged, what arrived, what ended."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    broken_off: Counter[str] = field(default_factory=Counter)
    first_seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ended: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class Simulation:
    """One history.

    Args:
        seed: everything that is left to chance follows from it.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.store: Store = MemoryStore()
        self.ledger = Ledger()
        self.running: dict[str, int] = Counter()
        self.world = self._node()

    def _node(self, at: int | None = None) -> InProcess:
        node = InProcess(self.store, room=self.chance.choice((2, 5, 50)))
        node.respond = self._respond
        if at is not None:
            node.at = at
        return node

    def _respond(self, sent: Outbound) -> Outcome:
        headers = dict(sent.headers)
        message = headers["Upstash-Message-Id"]
        if message not in self.ledger.acknowledged:
            return Outcome(200)  # a callback
        if message in self.ledger.ended:
            self.ledger.violations.append(f"{message} was delivered after its end was recorded")
        self.ledger.attempts[message] += 1
        group = self.ledger.acknowledged[message]
        if message not in self.ledger.first_seen[group]:
            self.ledger.first_seen[group].append(message)
        roll = self.chance.random()
        if roll < 0.6:
            return Outcome(200)
        return Outcome(489, [("Upstash-NonRetryable-Error", "true")]) if roll < 0.65 else Outcome(500)

    async def run(self) -> None:
        """Live through the history, then let everything end."""
        await self.world.broker.open()
        for _ in range(STEPS):
            await self.chance.choice((self.publish, self.publish, self.turn, self.cancel, self.crash, self.pause))()
            await self.check()
        for name in QUEUES:
            await self.world.call("POST", f"/v2/queues/{name}/resume")
        for name in KEYS:
            await self.world.call("POST", f"/v2/flowControl/{name}/resume")
        await self.world.turn(10_000_000)
        await self.check()
        await self.all_ended()

    async def publish(self) -> None:
        headers = {"upstash_retries": str(RETRIES), "upstash_retry_delay": str(self.chance.choice((0, 50, 500)))}
        if self.chance.random() < 0.3:
            headers["upstash_delay"] = f"{self.chance.randrange(1, 900)}ms"
        if self.chance.random() < 0.2:
            headers["upstash_callback"] = "https://cb.example"
        if self.chance.random() < 0.4:
            key = self.chance.choice(list(KEYS))
            headers |= {"upstash_flow_control_key": key, "upstash_flow_control_value": f"parallelism={KEYS[key]}"}
        queue = self.chance.choice((None, *QUEUES))
        if queue is None:
            message = await self.world.publish("https://e.example/in", **headers)
        else:
            body = {"queueName": queue, "parallelism": QUEUES[queue]}
            known = await self.world.call("GET", f"/v2/queues/{queue}")
            if known.status == 404:
                await self.world.call("POST", "/v2/queues", body)
            headers.pop("upstash_delay", None)
            message = await self.world.enqueue(queue, "https://e.example/in", **headers)
        self.ledger.acknowledged[message] = queue or "none"

    async def turn(self) -> None:
        await self.world.turn(self.chance.randrange(1, 400))

    async def cancel(self) -> None:
        if not self.ledger.acknowledged:
            return
        message = self.chance.choice(list(self.ledger.acknowledged))
        if (await self.world.call("DELETE", f"/v2/messages/{message}")).status == 202:
            self.ledger.canceled.add(message)

    async def pause(self) -> None:
        what = self.chance.choice([*(f"queues/{name}" for name in QUEUES), *(f"flowControl/{name}" for name in KEYS)])
        await self.world.call("POST", f"/v2/{what}/{self.chance.choice(('pause', 'resume', 'resume'))}")

    async def crash(self) -> None:
        """The process is gone in the middle of whatever it did; what the store kept is all there is."""
        for task in list(self.world.broker.dispatcher._tasks):
            task.cancel()
        await asyncio.gather(*self.world.broker.dispatcher._tasks, return_exceptions=True)
        leased = await self.store.read(lambda tx: tx.find(Delivery, Query((Where("lease", "not null"),))))
        self.ledger.broken_off.update(f"msg_{delivery.seq:016x}" for delivery in leased)
        self.world = self._node(self.world.at)
        await self.world.broker.open()

    async def check(self) -> None:
        """The laws that hold at every instant."""
        assert self.ledger.violations == []
        deliveries = await self.store.read(lambda tx: tx.find(Delivery, Query(limit=100_000)))
        messages = {one.seq: one for one in await self.store.read(lambda tx: tx.find(Message, Query(limit=100_000)))}
        for delivery in deliveries:
            states = (delivery.wake_at is not None, delivery.lane is not None, delivery.lease is not None)
            assert sum(states) == 1, f"a delivery stands in {sum(states)} places at once"
            assert delivery.retried <= RETRIES
        held: Counter[tuple[str, str]] = Counter()
        waiting: Counter[str] = Counter()
        for delivery in deliveries:
            message = messages[delivery.seq]
            if delivery.queued:
                held["queue", message.queue or message.holds or ""] += 1
            if message.flow and delivery.lease is not None:
                held["flow", message.flow.key] += 1
            if delivery.lane:
                waiting[delivery.lane.split("\x1f")[0] + delivery.lane.split("\x1f")[2]] += 1
        for lane in await self.store.read(lambda tx: tx.find(Lane, Query())):
            assert lane.active == held[lane.kind, lane.name], f"{lane.name} counts {lane.active} slots"
            assert lane.waiting == waiting[lane.kind + lane.name], f"{lane.name} counts {lane.waiting} waiting"
            if lane.kind == "flow" and lane.parallelism:
                assert lane.active <= lane.parallelism
        pending = {f"msg_{delivery.seq:016x}" for delivery in deliveries}
        self.ledger.ended = set(self.ledger.acknowledged) - pending

    async def all_ended(self) -> None:
        """The laws that hold at the end."""
        left = await self.store.read(lambda tx: tx.count(Delivery, Where("tenant", "=", "one")))
        assert left == 0, f"{left} messages never ended"
        for message in self.ledger.acknowledged:
            states = Counter(await self.world.events(message))
            ends = states["DELIVERED"] + states["FAILED"] + states["CANCELED"]
            assert ends == 1, f"{message} has {ends} ends"
            assert self.ledger.attempts[message] <= RETRIES + 1 + self.ledger.broken_off[message]
            assert self.ledger.attempts[message] or message in self.ledger.canceled, f"{message} was lost"
        order = [message for message, queue in self.ledger.acknowledged.items() if queue == "alone"]
        assert self.ledger.first_seen["alone"] == [one for one in order if self.ledger.attempts[one]]


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_laws_hold_whatever_happens(seed: int) -> None:
    await Simulation(seed).run()


@pytest.mark.parametrize(
    "bug", ["retries not counted", "lane leaks", "line forgets", "end twice", "the end is forgotten"]
)
async def test_planted_bugs_are_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that finds nothing proves nothing: each of these must break a law within the seeds."""
    from ringback.broker.operations import lanes as lane_operations
    from ringback.broker.rules import lanes as lane_rules
    from ringback.broker.rules import settle as settle_rules

    match bug:
        case "retries not counted":
            again = settle_rules._retry

            def uncounted(settled, message, delivery, outcome, moment):  # type: ignore[no-untyped-def]
                again(settled, message, delivery, outcome, moment)
                settled.changes.put[-2] = replace(settled.changes.put[-2], retried=0)

            monkeypatch.setattr(settle_rules, "_retry", uncounted)
        case "lane leaks":
            monkeypatch.setattr(lane_rules, "released", lambda lane: lane)
        case "line forgets":
            monkeypatch.setattr(lane_operations, "leave", lambda *_: None)
            monkeypatch.setattr("ringback.broker.operations.cancel.leave", lambda *_: None)
        case "end twice":
            end = settle_rules._end

            def twice(settled, delivery, state, moment, outcome=None):  # type: ignore[no-untyped-def]
                end(settled, delivery, state, moment, outcome)
                end(settled, delivery, state, moment, outcome)

            monkeypatch.setattr(settle_rules, "_end", twice)
        case "the end is forgotten":

            def forgotten(tx, tenant, seq, moment):  # type: ignore[no-untyped-def]
                """Canceling without taking the delivery away: it looks ended to the owner and is delivered all the same."""
                delivery = tx.get(Delivery, seq)
                if delivery is None or delivery.lease is not None:
                    return False
                tx.apply(Changes(put=[Event(moment.new_id(), tenant, seq, "CANCELED", moment.now)]))
                return True

            monkeypatch.setattr("ringback.broker.api.messages.cancel_message", forgotten)
    caught = 0
    for seed in range(12):
        simulation = Simulation(seed)
        try:
            async with asyncio.timeout(20):
                await simulation.run()
        except (AssertionError, TimeoutError):
            caught += 1
            break
    assert caught, "no seed noticed"


def test_a_seed_is_one_history(tmp_path: Path) -> None:
    async def attempts(seed: int) -> list[tuple[str, int]]:
        simulation = Simulation(seed)
        await simulation.run()
        return sorted((message, count) for message, count in simulation.ledger.attempts.items())

    assert asyncio.run(attempts(7)) == asyncio.run(attempts(7))
