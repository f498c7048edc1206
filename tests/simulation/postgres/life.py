"""What happens in a history on a real server: much in little time, so that transactions meet."""

import asyncio
from dataclasses import dataclass

from ringback.broker.records import Node
from simulation import histories, laws
from simulation.clerks import Clerks
from simulation.menders import Menders
from simulation.owners import Owners
from simulation.postgres.node_store import Database
from simulation.senders import Senders
from simulation.users import Users
from simulation.world import World

ACTS = 100
_PEOPLE = {
    **dict.fromkeys(("cancel", "trigger", "pause"), Users),
    **dict.fromkeys(("batch", "fan_out", "repeat"), Senders),
    **dict.fromkeys(
        ("schedule", "change_schedule", "change_group", "cancel_many", "delete_queue", "cancel_runs"), Owners
    ),
    **dict.fromkeys(("publish_in_vain", "sweep", "trigger_waiting", "notify"), Clerks),
    **dict.fromkeys(("send_again", "send_many_again", "delete", "delete_many", "mend_run", "mend_runs"), Menders),
    "publish": Users,
}
_OFTEN = (
    *("publish",) * 12,
    *("repeat", "start") * 3,
    *("notify", "publish_in_vain", "trigger_waiting", "send_many_again", "sweep") * 2,
    *("cancel", "mend_runs", "batch", "trigger"),
)
_PAUSES_S = (0.0, 0.0, 0.001, 0.01, 0.05, 0.3)
_NUMBERED = ("kill", "succeed", "start", "terminate", "cut_off", "stop", "set_clock", "sever")
_ACTS = (*_PEOPLE, *_OFTEN, *_NUMBERED, "crash", "wait")


@dataclass(frozen=True)
class Kind:
    """What sort of history it is: any one, unless something is to be seen in it that is rare elsewhere.

    Attributes:
        brokers: how many there are; follows from the seed without.
        often: what happens more often.
        pauses_s: virtual seconds between two things that happen.
        late: which part of the requests is answered late; as everywhere without.
        twice: which part of the steps of runs is submitted twice; as everywhere without.
    """

    brokers: int | None = None
    often: tuple[str, ...] = ()
    pauses_s: tuple[float, ...] = _PAUSES_S
    late: float | None = None
    twice: float | None = None


ANY = Kind()
RUNS = Kind(3, ("trigger", "trigger_waiting", "notify") * 20, twice=0.8)
"""Runs, of which two brokers hear the same at once."""
REPLACED = Kind(3, ("succeed", "publish", "publish") * 10, (0.05, 0.3, 1.0), late=0.6)
"""Brokers die, and others come when what those had in flight is taken over."""
SILENT = Kind(3, ("stop", "cut_off", "cancel", "publish", "publish") * 8, (0.05, 0.3, 1.0), late=0.6)
"""Brokers are not heard of for a while, and go on when others have what they had in flight."""
LETTERS = Kind(3, ("publish_in_vain", "sweep", "send_many_again", "delete_many") * 10)
"""Dead letters, which many are after."""
SAME = Kind(3, ("repeat",) * 60)
"""The same again, which is to be taken in once."""
DEADLOCKS = Kind(3, ("batch", "pause", "start", "cancel_many") * 20, (0.0, 0.0, 0.001, 0.01))
"""Queues and keys, which all are after at once."""
CUT = Kind(1, ("sever", "sever", "start", "batch", "trigger", "publish") * 30, (0.01, 0.05))
"""One broker, whose connections are lost, often in the middle of something."""
SCHEDULES = Kind(2, ("schedule", "change_schedule", "wait") * 15)
"""Schedules, which tick and are changed meanwhile."""
KINDS = (*(ANY,) * 7, RUNS, REPLACED, LETTERS, SAME, DEADLOCKS, CUT, SCHEDULES)
"""Where nobody asks for one, half of the histories are of any kind."""


async def live(world: World, disk: Database, kind: Kind) -> None:
    """Let this and that happen, then let everything end in peace."""
    acts = (*_ACTS, *kind.often)
    world.endpoints.late, world.endpoints.twice = kind.late or world.endpoints.late, kind.twice or world.endpoints.twice
    people = {kind: kind(world) for kind in (Users, Senders, Owners, Clerks, Menders)}
    await _start(world)
    users, owners = people[Users], people[Owners]
    assert isinstance(users, Users)
    assert isinstance(owners, Owners)
    await users.prepare()
    await people[Senders].prepare()
    for _ in range(ACTS):
        number = world.chance.randrange(len(world.nodes))
        act = world.chance.choice(acts)
        if act in _PEOPLE:
            for _ in range(world.chance.choice((1, 1, 2))):
                world.ask(getattr(people[_PEOPLE[act]], act)())
        elif act in ("crash", "wait"):
            await getattr(world, act)()
        elif act == "succeed":
            world.ask(_succeed(world, number, users))
        elif act in ("kill", "start", "set_clock"):
            await getattr(world, act)(number)
        elif act == "sever":
            node = world.nodes[number]
            if node is not None:
                world.account.shaken.add(node.number)
                disk.sever(node.store)
        else:
            world.ask(getattr(world, act)(number))
        world.impatient.look_after()
        await asyncio.sleep(world.chance.choice(kind.pauses_s))
    world.calm = disk.gate.calm = True
    await histories.rest(world, users, owners, look_s=1)
    for task in [*world.tasks]:
        task.cancel()  # their brokers died before they answered
    for number in range(len(world.nodes)):
        await world.kill(number)
    laws.at_rest(world)


async def _start(world: World) -> None:
    """Start all brokers at once; again where a connection was lost meanwhile, until there is one."""
    while not any(world.nodes):
        await asyncio.gather(*map(world.start, range(len(world.nodes))))


async def _succeed(world: World, number: int, users: Users) -> None:
    """Kill a broker, and start it again, and make use of it, just when the others have noticed."""
    node = world.nodes[number]
    if node is None:
        return
    await world.kill(number)
    while any(one.number == node.number for one in world.account.rows[Node].values()):  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
        if not any(world.nodes):
            break
    await world.start(number)
    for _ in range(4):
        world.ask(users.publish())
