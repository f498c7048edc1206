"""Histories of several brokers on a disk that forgets what was not synced; and five faults, planted to see that they are found.

One seed is one history. More of them: `make simulate SEEDS=10000`.
"""

import asyncio
import os

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery
from ringback.broker.rules import lanes as lane_rules
from simulation import laws, virtual
from simulation.disk import NodeStore
from simulation.world import World

SEEDS = int(os.environ.get("SEEDS", "100"))
ACTS = 60
SHOWN = 40
PATIENCE_S = 900


async def live(world: World) -> None:
    """Live through a history, then let everything end in peace."""
    leases = laws.Leases()

    def check(writer: NodeStore) -> None:
        laws.always(world.disk.rows)
        leases.check(world.disk.rows, writer.number())

    world.disk.on_durable = check
    for number in range(len(world.nodes)):
        await world.start(number)
    for _ in range(ACTS):
        number = world.chance.randrange(len(world.nodes))
        act = world.chance.choice(
            ("publish",) * 10 + ("cancel", "trigger", "kill", "start", "start", "terminate", "cut_off", "stop", "stop")
        )
        if act in ("publish", "cancel", "trigger"):
            world.ask(getattr(world, act)())
        elif act == "kill":
            await world.kill(number)
        elif act == "start" and world.nodes[number] is None:
            await world.start(number)
        elif act in ("terminate", "cut_off", "stop"):
            world.ask(getattr(world, act)(number))
        await asyncio.sleep(world.chance.choice((0.0, 0.005, 0.05, 0.5, 3.0)))
    world.calm = True
    for number, node in enumerate(world.nodes):
        if node is None:
            await world.start(number)
    for _ in range(PATIENCE_S // 10):
        await asyncio.sleep(10)
        if not world.disk.rows[Delivery] and world.disk.is_idle():
            break
    for task in [*world.tasks]:
        task.cancel()  # their brokers died before they answered
    for number in range(len(world.nodes)):
        await world.kill(number)
    laws.at_rest(world)


def told(seed: int, disturb: object = None) -> tuple[World, str | None]:
    """Live through one history; return it, and which law it broke."""
    world = World(seed, brokers=1 + seed % 3)
    if disturb is not None:
        disturb(world)  # type: ignore[operator]
    broken: list[str] = []

    async def main() -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def note(_: object, context: dict[str, object]) -> None:
            error = context.get("exception")
            if isinstance(error, laws.Broken) and not failed.done():
                failed.set_exception(error)

        asyncio.get_running_loop().set_exception_handler(note)
        history = asyncio.ensure_future(live(world))
        await asyncio.wait({history, failed}, return_when=asyncio.FIRST_COMPLETED)
        errors = [one.exception() for one in (failed, history) if one.done()]
        broken.extend(f"{type(error).__name__}: {error}" for error in errors if error is not None)
        history.cancel()
        failed.cancel()

    virtual.run(main())
    return world, broken[0] if broken else None


@pytest.mark.parametrize("first", range(0, SEEDS, 25))
def test_the_laws_hold_on_every_node_at_every_step(first: int) -> None:
    for seed in range(first, min(SEEDS, first + 25)):
        world, broken = told(seed)
        if broken:
            story = "\n".join(world.story[-SHOWN:])
            pytest.fail(f"seed {seed}: {broken}\n{story}", pytrace=False)


def test_a_seed_is_one_history_exactly() -> None:
    for seed in (4, 5):
        assert told(seed)[0].story == told(seed)[0].story


def a_lost_lease_still_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer counts although another broker has taken the message over."""
    from ringback.broker.engine import dispatcher

    settle = dispatcher.settle

    def careless(tx, message, lease, retried, outcome, limits, moment):  # type: ignore[no-untyped-def]
        delivery = tx.get(Delivery, message.seq)
        if delivery is None:
            return settle(tx, message, lease, retried, outcome, limits, moment)
        tx.apply(Changes(put=[replace(delivery, lease=lease, retried=retried, wake_at=None, lane=None)]))
        return settle(tx, message, lease, retried, outcome, limits, moment)

    monkeypatch.setattr(dispatcher, "settle", careless)


def an_acknowledgement_before_the_sync(world: World) -> None:
    """Callers are answered when a transaction is written, not when it is durable."""
    world.disk.early = True


def a_lane_count_that_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot is not given back when an attempt ends."""
    monkeypatch.setattr(lane_rules, "released", lambda lane: lane)


def a_double_append(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is submitted twice is put into the list twice."""
    from ringback.broker.operations.runs import ingest

    known = iter(range(10**9))
    identity = ingest.runs.identity
    monkeypatch.setattr(ingest.runs, "identity", lambda *of: f"{identity(*of)}/{next(known)}")


def a_callback_outside_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows from a failure is written in a transaction of its own, later."""
    from ringback.broker.engine import dispatcher
    from ringback.broker.operations import settle as operation

    pending: list[object] = []
    accept = operation.accept
    monkeypatch.setattr(operation, "accept", lambda tx, message, moment: pending.append(message))
    settle = dispatcher.Dispatcher._settle

    async def in_two(self, *of):  # type: ignore[no-untyped-def]
        await settle(self, *of)
        while pending:
            message = pending.pop()
            await self._desk.write(lambda tx, moment, message=message: accept(tx, message, moment))

    monkeypatch.setattr(dispatcher.Dispatcher, "_settle", in_two)


@pytest.mark.parametrize(
    "bug",
    [a_lost_lease_still_settles, a_lane_count_that_leaks, a_double_append, a_callback_outside_the_transaction],
)
def test_a_planted_bug_in_the_broker_is_found(bug: object, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)  # type: ignore[operator]
    assert any(told(seed)[1] for seed in range(150)), "no seed noticed"


def test_an_acknowledgement_before_the_sync_is_found() -> None:
    assert any(told(seed, an_acknowledgement_before_the_sync)[1] for seed in range(150)), "no seed noticed"
