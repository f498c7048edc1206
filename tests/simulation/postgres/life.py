"""What happens in a history on a real server: much in little time, so that transactions meet."""

import asyncio

from ringback.broker.records import Node
from simulation import histories, laws
from simulation.clerks import Clerks
from simulation.menders import Menders
from simulation.owners import Owners
from simulation.postgres.node_store import Database
from simulation.senders import Senders
from simulation.users import Users
from simulation.world import World

ACTS = 60
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
_NUMBERED = ("kill", "succeed", "start", "terminate", "cut_off", "stop", "set_clock", "sever")
_ACTS = (*_PEOPLE, *_OFTEN, *_NUMBERED, "crash", "wait")


async def live(world: World, disk: Database) -> None:
    """Let this and that happen, then let everything end in peace."""
    people = {kind: kind(world) for kind in (Users, Senders, Owners, Clerks, Menders)}
    await _start(world)
    users, owners = people[Users], people[Owners]
    assert isinstance(users, Users)
    assert isinstance(owners, Owners)
    await users.prepare()
    await people[Senders].prepare()
    for _ in range(ACTS):
        number = world.chance.randrange(len(world.nodes))
        act = world.chance.choice(_ACTS)
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
        await asyncio.sleep(world.chance.choice((0.0, 0.0, 0.001, 0.01, 0.05, 0.3)))
    world.calm = disk.gate.calm = True
    await histories.rest(world, users, owners)
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
