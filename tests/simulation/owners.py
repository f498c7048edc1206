"""Those who own things: they make, change and remove schedules, URL groups and queues, and cancel many messages at once."""

import asyncio
from typing import TYPE_CHECKING

from ringback.broker.records import Message, Schedule
from simulation import timetable
from simulation.endpoints import HOOK, TIMEOUT_S
from simulation.senders import ENDPOINTS, GROUP
from simulation.users import LABEL, QUEUES, RETRIES
from simulation.verdict import Broken

if TYPE_CHECKING:
    from simulation.world import World

MOST_SCHEDULES = 3


class Owners:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._made = 0

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
            world.known.schedules.add(name)

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
        world.known.deleted_queues.add(name)
        world.tell(f"queue {name} is to be deleted")
        if (await node.call("DELETE", f"/v2/queues/{name}")).status == 200:
            world.seen["a queue was deleted"] += 1

    async def see_them_tick(self) -> None:
        """In peace, each schedule ticks every minute, which is waited for now and then; then they are deleted."""
        world = self._world
        if world.disk.rows[Schedule] and world.chance.random() < 0.3:
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
        self._world.known.schedules.discard(name)
        node = self._world.any_node()
        assert node is not None
        if (await node.call("DELETE", f"/v2/schedules/{name}")).status == 200:
            self._world.known.no_schedules.add(name)


def _labels(world: "World", seq: int) -> tuple[str, ...]:
    message = world.account.rows[Message].get((seq,))
    return message.labels if isinstance(message, Message) else ()
