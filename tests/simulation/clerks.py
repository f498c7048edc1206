"""The clerks: they send what nobody takes, and the events that runs wait for."""

import asyncio
from typing import TYPE_CHECKING

from ringback.broker.ids import position
from ringback.broker.records import DeadLetter, Waiter
from simulation.endpoints import EVENTS, HOOK, WAITING, event_of, submit
from simulation.users import acknowledged

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World


class Clerks:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    async def publish_in_vain(self) -> None:
        """Send messages that most likely end among the dead letters."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        for _ in range(3):
            body = world.new_body("in vain") + b"7"
            answer = await node.call("POST", f"/v2/publish/{HOOK}", body, upstash_retries="0", upstash_timeout="5s")
            if answer.status == 200:
                acknowledged(world, answer.json, body)

    async def sweep(self) -> None:
        """Delete the dead letters that there are, all brokers being asked at once."""
        world = self._world
        letters = [
            one for one in world.account.rows[DeadLetter].values() if isinstance(one, DeadLetter) and not one.run
        ]
        if not letters:
            return
        world.known.letters_deleted.update(one.pos for one in letters)
        chosen = "&".join(f"dlqIds={position(one.pos)}" for one in letters[:20])
        world.tell(f"{len(letters)} dead letters are to be deleted by whoever is there")
        for node in world.nodes:
            if node is not None:
                world.ask(node.call("DELETE", f"/v2/dlq?{chosen}"))

    async def trigger_waiting(self) -> None:
        """Start a run that waits for an event."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        run, more = f"wfr_{len(world.story)}{WAITING}", {"Upstash-Workflow-Init": "true"}
        if await submit(node, run, more, world.new_body("payload").decode()):
            world.known.runs.append(run)
            world.tell(f"run {run} is acknowledged")
            if world.chance.random() < 0.5:
                await self._answer_twice(event_of(run))

    async def _answer_twice(self, event: str) -> None:
        """Wait until a run waits for an event, then send it twice at once, if possible by two brokers."""
        world = self._world
        for _ in range(160):
            if any(event in key for key in world.account.rows[Waiter]):
                break
            await asyncio.sleep(0.05)
        else:
            return
        for node in [node for node in world.nodes if node is not None][:2]:
            world.ask(self._send(event, node))

    async def notify(self) -> None:
        """Send an event to all that wait for it, or to one run, for which it is kept; two may do so at once."""
        world, chance = self._world, self._world.chance
        waited_for = sorted({one.event_id for one in world.account.rows[Waiter].values()})  # type: ignore[attr-defined]
        event = chance.choice(waited_for or EVENTS)
        waiting = [run for run in world.known.runs if WAITING in run]
        to_one = f"{chance.choice(waiting)}/" if waiting and chance.random() < 0.3 else ""
        for _ in range(chance.choice((1, 2))):
            node = world.any_node()
            if node is not None:
                world.ask(self._send(to_one + event, node))

    async def _send(self, event: str, node: "Node") -> None:
        world = self._world
        answer = await node.call("POST", f"/v2/notify/{event}", b"it is time")
        if answer.status == 201:
            world.seen["an event woke a run"] += sum("waiter" in one for one in answer.json)
            world.seen["an event was kept for a run"] += sum("waiter" not in one for one in answer.json)
