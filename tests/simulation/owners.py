"""Those who own things: they make, change and remove schedules, URL groups and queues, and cancel many messages at once."""

import asyncio
import math
from collections import Counter
from typing import TYPE_CHECKING

from ringback.broker.records import Message, Schedule
from simulation import timetable
from simulation.endpoints import HOOK, TIMEOUT_S
from simulation.senders import ENDPOINTS, GROUP
from simulation.users import LABEL, QUEUES, RETRIES
from simulation.verdict import Broken
from simulation.virtual import now

if TYPE_CHECKING:
    from simulation.world import World

MOST_SCHEDULES = 3
LONGEST_MS = 55_000
"""How long an answer is waited for that comes when all is done; after a minute it comes although something is left."""


class Owners:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._made = 0
        self._deleting: Counter[str] = Counter()
        self._doomed: set[str] = set()

    async def schedule(self) -> None:
        """Make a schedule, of a message or of one to each endpoint of a URL group, sometimes through a queue."""
        world, chance = self._world, self._world.chance
        node = world.any_node()
        if node is None or self._made == MOST_SCHEDULES:
            return
        self._made += 1
        name = f"s{self._made}"
        headers = {
            "upstash_cron": "* * * * *",
            "upstash_schedule_id": name,
            "upstash_retries": str(RETRIES),
            "upstash_retry_delay": "500",
            "upstash_timeout": f"{TIMEOUT_S}s",
        }
        if chance.random() < 0.3:
            headers["upstash_queue_name"] = chance.choice(list(QUEUES))
        to = chance.choice((HOOK, GROUP, "nobody"))
        if (await node.call("POST", f"/v2/schedules/{to}", f"tick of {name}".encode(), **headers)).status == 200:
            world.known.schedules |= {name} - self._doomed

    async def change_schedule(self) -> None:
        """Pause a schedule, let it go on, or delete it."""
        world, chance = self._world, self._world.chance
        node = world.any_node()
        if node is None or not world.known.schedules:
            return
        name = chance.choice(sorted(world.known.schedules))
        how = chance.choice(("pause", "resume", "pause", "resume", "delete"))
        world.tell(f"schedule {name}: {how}")
        world.seen[f"a schedule was told to {how}"] += 1
        if how == "delete":
            await self._delete(name)
        else:
            await node.call("POST", f"/v2/schedules/{name}/{how}")

    async def change_group(self) -> None:
        """Add an endpoint to the URL group, or take one out; there is always one left."""
        world, chance = self._world, self._world.chance
        node = world.any_node()
        if node is None:
            return
        method = chance.choice(("POST", "DELETE"))
        await node.call(method, f"/v2/topics/{GROUP}/endpoints", {"endpoints": [{"url": chance.choice(ENDPOINTS[1:])}]})

    async def cancel_many(self) -> None:
        """Cancel all messages with a label, and wait for that or not."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        world.known.canceled_labels.add(LABEL)
        world.tell(f"all with the label {LABEL} are to be canceled")
        before = [seq for seq in world.known.acknowledged if LABEL in _labels(world, seq)]
        later = world.chance.random() < 0.4
        answer = await node.call("DELETE", f"/v2/messages?label={LABEL}{'&async=true' if later else ''}")
        if answer.status != 202 or later:
            return
        for seq in before:
            delivery = world.account.delivery(seq)
            if delivery is not None and not delivery.cancel_requested:
                world.accuse(Broken(f"{seq:x} was to be canceled with many others, and is not"))

    async def delete_queue(self) -> None:
        """Delete a queue; the next message makes it again."""
        world = self._world
        node = world.any_node()
        if node is None or world.chance.random() < 0.5:
            return
        name = world.chance.choice(list(QUEUES))
        world.tell(f"queue {name} is to be deleted")
        before = [one.seq for one in world.witness.enqueued.get(name, [])]
        asked = now()
        world.known.deleted_queues[name] = math.inf
        self._deleting[name] += 1
        if (await node.call("DELETE", f"/v2/queues/{name}")).status != 200:
            return  # whether it is deleted, and until when, nobody knows
        self._deleting[name] -= 1
        if not self._deleting[name]:
            world.known.deleted_queues[name] = now()
        world.seen["a queue was deleted"] += 1
        for seq in before if now() < asked + LONGEST_MS else ():
            delivery = world.account.delivery(seq)
            if delivery is not None and (not delivery.cancel_requested or delivery.queued):
                world.accuse(Broken(f"{seq:x} is left of {name}, which was deleted"))

    async def cancel_runs(self) -> None:
        """Cancel all runs with a label."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        world.tell(f"runs with the label {LABEL} are to be canceled")
        before = [run for run in world.known.runs if run in world.known.labelled]
        world.known.runs_are_canceled = True
        asked = now()
        answer = await node.call("DELETE", f"/v2/workflows/runs?label={LABEL}&count=1000")
        if answer.status != 200 or now() >= asked + LONGEST_MS:
            return
        world.seen["runs were canceled in bulk"] += answer.json["cancelled"]
        for run in before:
            if run not in world.account.run_ends:
                world.accuse(Broken(f"{run} was to be canceled with others, and is not"))

    async def see_them_tick(self) -> None:
        """In peace, each schedule ticks every minute, which is waited for now and then; then they are deleted."""
        world = self._world
        if world.disk.rows[Schedule] and world.chance.random() < world.watches_ticks:
            for _ in range(9):
                await self._resume_all()  # again and again: a pause may still be under way
                await asyncio.sleep(10)
            timetable.all_tick(world.account.rows)
        for name in sorted(world.known.schedules):
            await self._delete(name)
        for _, name in sorted(world.disk.rows[Schedule]):
            await self._delete(name)  # one whose acknowledgement was lost

    async def _resume_all(self) -> None:
        for _, name in sorted(self._world.disk.rows[Schedule]):
            node = self._world.any_node()
            assert node is not None
            await node.call("POST", f"/v2/schedules/{name}/resume")

    async def _delete(self, name: str) -> None:
        self._doomed.add(name)
        self._world.known.schedules.discard(name)
        node = self._world.any_node()
        assert node is not None
        if (await node.call("DELETE", f"/v2/schedules/{name}")).status == 200:
            self._world.known.no_schedules.add(name)


def _labels(world: "World", seq: int) -> tuple[str, ...]:
    message = world.account.rows[Message].get((seq,))
    return message.labels if isinstance(message, Message) else ()
