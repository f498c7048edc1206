"""Histories: a seed is one of them, exactly; what happened in all that were lived through is counted."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ringback.broker.records import BulkCancel, Delivery, Removal, Waiter
from simulation import attic, laws, virtual
from simulation.menders import Menders
from simulation.owners import Owners
from simulation.senders import Senders
from simulation.users import Users
from simulation.verdict import Broken
from simulation.world import FORGETFUL, World

ACTS = 80
PATIENCE_S = 900
_PEOPLE = {
    **dict.fromkeys(("cancel", "trigger", "pause"), Users),
    **dict.fromkeys(("batch", "fan_out", "repeat"), Senders),
    **dict.fromkeys(
        ("schedule", "change_schedule", "change_group", "cancel_many", "delete_queue", "cancel_runs"), Owners
    ),
    **dict.fromkeys(("send_again", "send_many_again", "delete", "delete_many", "mend_run", "mend_runs"), Menders),
    "publish": Users,
}
_OFTEN = ("publish",) * 13 + ("repeat", "start", "trigger")
_NUMBERED = ("kill", "start", "terminate", "cut_off", "stop", "set_clock")
_ACTS = (*_PEOPLE, *_OFTEN, *_NUMBERED, "crash", "wait")
_KINDS = ((1, True), (1, False), (2, False), (3, False))
"""Brokers, and whether the one has the disk for itself."""

Disturb = Callable[[World], None]


@dataclass
class History:
    """What came of a seed.

    Attributes:
        story: what happened, line by line.
        broken: which law did not hold, if any.
        seen: how often what has happened.
    """

    story: list[str] = field(default_factory=list)
    broken: str | None = None
    seen: Counter[str] = field(default_factory=Counter)


def lived(seed: int, kind: tuple[int, bool] | None = None, disturb: Disturb = lambda _: None) -> History:
    """Live through one history.

    Args:
        seed: everything that is left to chance follows from it.
        kind: how many brokers there are, and whether one has the disk for itself; follows from the seed without.
        disturb: plants a fault.
    """
    history = History()
    brokers, alone = kind or _KINDS[seed % len(_KINDS)]
    forgetful = seed % 9 == 4

    async def main() -> None:
        world = World(seed, brokers, alone=alone, forgetful=forgetful)
        history.story, history.seen = world.story, world.seen
        world.laws = laws.always
        disturb(world)
        trouble.world = world
        life = asyncio.ensure_future(_live(world))
        await asyncio.wait({life, world.verdict}, return_when=asyncio.FIRST_COMPLETED)
        errors = [one.exception() for one in (world.verdict, life) if one.done()]
        history.broken = next((f"{type(error).__name__}: {error}" for error in errors if error is not None), None)
        life.cancel()
        world.end()

    trouble = Trouble(logging.ERROR)
    log = logging.getLogger("ringback")
    log.addHandler(trouble)
    try:
        virtual.run(main())
    finally:
        log.removeHandler(trouble)
    return history


class Trouble(logging.Handler):
    """A broker that notes an exception of its own has a fault, even if it survives it."""

    world: World | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.world is not None and record.exc_info:
            self.world.accuse(Broken(f"{record.getMessage()}: {record.exc_info[1]!r}"))


async def _live(world: World) -> None:
    """Let this and that happen, then let everything end in peace."""
    people = {kind: kind(world) for kind in (Users, Senders, Owners, Menders)}
    users, owners = people[Users], people[Owners]
    assert isinstance(users, Users)
    assert isinstance(owners, Owners)
    for number in range(len(world.nodes)):
        await world.start(number)
    await users.prepare()
    await people[Senders].prepare()
    for _ in range(ACTS):
        number = world.chance.randrange(len(world.nodes))
        act = world.chance.choice(_ACTS)
        if act in _PEOPLE:
            world.ask(getattr(people[_PEOPLE[act]], act)())
        elif act in ("crash", "wait"):
            await getattr(world, act)()
        elif act in ("kill", "start", "set_clock"):
            await getattr(world, act)(number)
        else:
            world.ask(getattr(world, act)(number))
        world.functions.look_after()
        world.impatient.look_after()
        await asyncio.sleep(world.chance.choice((0.0, 0.005, 0.05, 0.5, 3.0)))
    world.calm = True
    await rest(world, users, owners)
    for task in [*world.tasks]:
        task.cancel()  # their brokers died before they answered
    for number in range(len(world.nodes)):
        await world.kill(number)
    laws.at_rest(world)


def _is_through(world: World) -> bool:
    return all(one.open is None for one in world.disk.rows[Removal].values() if isinstance(one, Removal))


async def rest(world: World, users: Users, owners: Owners, look_s: int = 10) -> None:
    """Let everything end, and look every few seconds whether it has."""
    while world.disk.away or world.leaving:
        await asyncio.sleep(1)
    for number in range(len(world.nodes)):
        await world.start(number)
    await owners.see_them_tick()
    for second in range(0, PATIENCE_S, look_s):
        if second % 10 == 0:
            await users.resume_all()  # again and again: a pause may still be under way
        await asyncio.sleep(look_s)
        if (
            world.disk.is_idle()
            and not any(
                node is not None and node.store.cut_off for node in world.nodes
            )  # what it holds back may be done yet
            and not any(world.disk.rows[kind] for kind in (Delivery, BulkCancel, Waiter))
            and _is_through(world)
        ):
            break
    else:
        raise Broken(f"{len(world.disk.rows[Delivery])} messages never ended")
    if world.limits is FORGETFUL:
        await asyncio.sleep((FORGETFUL.dlq_retention_ms + attic.SWEPT_MS) / 1000)
        attic.is_swept(world.account.rows, world.limits)
