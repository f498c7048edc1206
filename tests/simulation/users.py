"""The users: they publish, enqueue, start runs, cancel, and pause what they please."""

import asyncio
from typing import TYPE_CHECKING

from ringback.broker.records import Delivery
from simulation.endpoints import CALLBACK, HOOK, TIMEOUT_S, submit
from simulation.verdict import Broken
from simulation.witness import Enqueued

if TYPE_CHECKING:
    from simulation.world import World

RETRIES = 2
KEYS = {"slow": "parallelism=1", "wide": "parallelism=3", "rated": "rate=2, period=5s"}
QUEUES = {"alone": 1, "pair": 2}
LABEL = "many"
"""Some messages have this label, by which they are canceled together."""


def headers_of(world: "World") -> dict[str, str]:
    """Return what a publish asks for, as it comes."""
    chance = world.chance
    headers = {
        "upstash_retries": str(RETRIES),
        "upstash_retry_delay": str(chance.choice((0, 500, 4000))),
        "upstash_timeout": f"{TIMEOUT_S}s",
    }
    if chance.random() < 0.3:
        headers["upstash_callback"] = headers["upstash_failure_callback"] = CALLBACK
    if chance.random() < 0.5:
        key = chance.choice(("slow", *KEYS))
        headers |= {"upstash_flow_control_key": key, "upstash_flow_control_value": KEYS[key]}
    if chance.random() < 0.2:
        headers["upstash_label"] = LABEL
    return headers


def acknowledged(world: "World", answer: dict[str, str], body: bytes) -> int:
    """A message was acknowledged: it must be on the disk by now. Return its number."""
    seq = int(answer["messageId"].removeprefix("msg_"), 16)
    world.tell(f"{seq:x} is acknowledged: {body.decode()}")
    if world.account.delivery(seq) is None and seq not in world.account.ended:
        world.accuse(Broken(f"{seq:x} is acknowledged and not on the disk"))
    world.known.acknowledged.append(seq)
    world.witness.bodies[seq] = body
    return seq


class Users:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    async def prepare(self) -> None:
        """Make the queues."""
        node = self._world.any_node()
        assert node is not None
        for name, parallelism in QUEUES.items():
            await node.call("POST", "/v2/queues", {"queueName": name, "parallelism": parallelism})

    async def publish(self) -> None:
        world, chance = self._world, self._world.chance
        headers = headers_of(world)
        queue = chance.choice((None, None, *QUEUES))
        if queue is None and chance.random() < 0.3:
            headers["upstash_delay"] = f"{chance.randrange(1, 9000)}ms"
        node = world.any_node()
        if node is None:
            return
        body, asked = world.new_body("message"), asyncio.get_running_loop().time()
        way = f"/v2/enqueue/{queue}" if queue else "/v2/publish"
        answer = await node.call("POST", f"{way}/{HOOK}", body, **headers)
        if answer.status != 200:
            world.seen["a publish was refused"] += 1
            return
        seq = acknowledged(world, answer.json, body)
        if queue:
            enqueued = world.witness.enqueued.setdefault(queue, [])
            enqueued.append(Enqueued(seq, asked, asyncio.get_running_loop().time()))

    async def cancel(self) -> None:
        world = self._world
        node = world.any_node()
        if node is None or not world.known.acknowledged:
            return
        recent = world.known.acknowledged[-8:]
        seq = world.chance.choice(recent)
        world.known.canceled.add(seq)
        world.tell(f"{seq:x} is to be canceled")
        answer = await node.call("DELETE", f"/v2/messages/msg_{seq:016x}")
        delivery = world.disk.rows[Delivery].get((seq,))
        if answer.status == 202 and isinstance(delivery, Delivery) and delivery.lease is not None:
            world.seen["a message was canceled in flight"] += 1

    async def trigger(self) -> None:
        world = self._world
        node = world.any_node()
        if node is None:
            return
        run, more = f"wfr_{len(world.story)}{world.steps.kind()}", {"Upstash-Workflow-Init": "true"}
        if world.chance.random() < 0.3:
            run, more = f"{run}_{LABEL}", more | {"Upstash-Label": LABEL}
            world.known.labelled.add(run)
        more |= world.functions.asked_for()
        if await submit(node, run, more, world.new_body("payload").decode()):
            world.known.runs.append(run)
            world.tell(f"run {run} is acknowledged")

    async def pause(self) -> None:
        """Pause a queue or a key, or let it go on."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        what = world.chance.choice(LANES)
        how = world.chance.choice(("pause", "resume", "resume"))
        world.tell(f"{what}: {how}")
        world.seen[f"a lane was told to {how}"] += 1
        await node.call("POST", f"/v2/{what}/{how}")

    async def resume_all(self) -> None:
        """Let everything go on."""
        node = self._world.any_node()
        assert node is not None
        for what in LANES:
            await node.call("POST", f"/v2/{what}/resume")


LANES = (*(f"queues/{name}" for name in QUEUES), *(f"flowControl/{name}" for name in KEYS))
