"""Those who cancel messages by their ids that are not theirs alone: a run goes on with each of them, and is canceled with it.

All that is left to chance here has a source of its own, so that histories without runs are what they would be anyway.
"""

import random
from typing import TYPE_CHECKING

from ringback.broker.ids import message_id
from ringback.broker.records import Delivery, Run
from simulation.verdict import hold

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

_OFTEN = 0.04
_MOST = 3
"""How many are canceled at once, at most."""


class Impatient:
    """All of them.

    Args:
        world: where they are.
        seed: what is left to chance follows from it.
    """

    def __init__(self, world: "World", seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"{seed} impatient")

    def look_after(self) -> None:
        """Now and then cancel what some runs go on with, and some messages with it."""
        world, chance = self._world, self._chance
        found = sorted(seq for seq in self._pending() if self._run(seq) is not None)
        nodes = [node for node in world.nodes if node is not None]
        if chance.random() >= _OFTEN or not found or not nodes:
            return
        chosen = chance.sample(found, min(len(found), chance.randint(1, _MOST)))
        chosen += chance.sample(world.known.acknowledged[-8:], min(len(chosen) - 1, len(world.known.acknowledged)))
        world.known.canceled.update(chosen)
        runs = [run.run_id for seq in chosen if (run := self._run(seq)) is not None]
        world.known.runs_canceled.update(runs)
        world.tell(f"{', '.join(f'{seq:x}' for seq in chosen)} are to be canceled, of {', '.join(runs)}")
        world.ask(self._cancel(chance.choice(nodes), chosen))

    async def _cancel(self, node: "Node", chosen: list[int]) -> None:
        world, ids = self._world, [message_id(seq) for seq in chosen]
        if len(ids) == 1:
            answer = await node.call("DELETE", f"/v2/messages/{ids[0]}")
        else:
            answer = await node.call("DELETE", "/v2/messages", {"messageIds": ids})
        if answer.status != 202:
            return
        world.seen["runs were canceled with messages of theirs"] += 1
        with world.judging():
            for seq in chosen:
                run = self._run(seq)
                goes_on = run is not None and run.state == "RUN_STARTED"
                hold(not goes_on or seq not in self._pending(), f"{seq:x} is canceled, and its run goes on")

    def _pending(self) -> set[int]:
        return {one.seq for one in self._world.account.rows[Delivery].values() if isinstance(one, Delivery)}

    def _run(self, seq: int) -> Run | None:
        """Return the run that goes on with a message, if any does."""
        message = self._world.account.message(seq)
        run = None
        if message.run is not None and message.kind != "failure":
            run = self._world.account.rows[Run].get((message.run.run,))
        return run if isinstance(run, Run) else None
