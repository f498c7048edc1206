"""Those who send more than one: batches, messages to a URL group, and the same message again."""

import asyncio
from typing import TYPE_CHECKING, Any

from simulation.book import SKEW_MS
from simulation.endpoints import HOOK
from simulation.known import Once
from simulation.users import QUEUES, acknowledged, headers_of
from simulation.verdict import Broken, hold
from simulation.virtual import now
from simulation.windows import WINDOW_MS

if TYPE_CHECKING:
    from simulation.world import World

GROUP = "everybody"
ENDPOINTS = (HOOK, "https://f.example/one", "https://g.example/two")
IDS = ("first", "second")
UNSURE_MS = 4 * SKEW_MS + 1_000
"""By how much a window may seem longer or shorter: two clocks that are wrong, one of which is set while it lasts."""


class Senders:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    async def prepare(self) -> None:
        """Make the URL group."""
        node = self._world.any_node()
        assert node is not None
        endpoints = {"endpoints": [{"url": url} for url in ENDPOINTS]}
        await node.call("POST", f"/v2/topics/{GROUP}/endpoints", endpoints)

    async def batch(self) -> None:
        """Several messages at once; in some batches there is one that cannot be accepted."""
        world, chance = self._world, self._world.chance
        node = world.any_node()
        if node is None:
            return
        bodies = [world.new_body("batched") for _ in range(chance.choice((2, 3, 5)))]
        wrong = chance.choice((None, None, chance.randrange(len(bodies))))
        items = []
        for number, body in enumerate(bodies):
            headers = {name.replace("_", "-"): value for name, value in headers_of(world).items()}
            to = HOOK if number != wrong else "nobody"
            item: dict[str, Any] = {"destination": to, "headers": headers, "body": body.decode()}
            items.append(item | {"queue": name} if (name := chance.choice((None, None, *QUEUES))) else item)
        world.known.batches |= dict.fromkeys(bodies, frozenset(bodies))
        if wrong is not None:
            world.known.refused.update(bodies)
        answer = await node.call("POST", "/v2/batch", items)
        if wrong is not None:
            world.seen["a batch was refused for what was in it"] += answer.status == 404
            if answer.status == 200:
                world.accuse(Broken(f"{bodies[0]!r} is in a batch that cannot be accepted, and is acknowledged"))
        elif answer.status == 200:
            world.seen["a batch was acknowledged"] += 1
            for body, one in zip(bodies, answer.json, strict=True):
                acknowledged(world, one, body)

    async def fan_out(self) -> None:
        """A message to each endpoint of a URL group."""
        world = self._world
        node = world.any_node()
        if node is None:
            return
        body = world.new_body("for all")
        answer = await node.call("POST", f"/v2/publish/{GROUP}", body, **headers_of(world))
        if answer.status == 200:
            for one in answer.json:
                acknowledged(world, one, body)

    async def repeat(self) -> None:
        """A message that may be there already, known by an id or by what it says."""
        world, chance = self._world, self._world.chance
        node = world.any_node()
        if node is None:
            return
        name = chance.choice(IDS)
        by_content = chance.random() < 0.5
        said = f"same {name}" if by_content else name
        body = said.encode() if by_content else world.new_body(f"once {name}")
        asked_for = (
            {"upstash_content_based_deduplication": "true"} if by_content else {"upstash_deduplication_id": name}
        )
        asked, loop = now(), asyncio.get_running_loop()
        begun = loop.time()
        answer = await node.call("POST", f"/v2/publish/{HOOK}", body, upstash_retries="2", **asked_for)
        if answer.status not in (200, 202):
            return
        try:
            if answer.status == 202:
                self._is_the_same(answer.json, name, asked)
            else:
                seq = acknowledged(world, answer.json, body)
                self._is_new(Once(seq, begun, loop.time()), said)
        except Broken as broken:
            world.accuse(broken)

    def _is_new(self, once: Once, said: str) -> None:
        before = self._world.known.once.setdefault(said, [])
        for one in before:
            apart = one.answered < once.asked or once.answered < one.asked
            distance = (max(once.answered, one.answered) - min(once.asked, one.asked)) * 1000
            hold(
                not apart or distance > WINDOW_MS - UNSURE_MS,
                f"{once.seq:x} was accepted although {one.seq:x} was, {distance:.0f} ms apart",
            )
        before.append(once)

    def _is_the_same(self, answer: Any, name: str, asked: int) -> None:
        world = self._world
        seq = int(answer["messageId"].removeprefix("msg_"), 16)
        message = world.account.message(seq)
        world.seen["a message was known already"] += 1
        hold(name in message.body.decode(), f"{seq:x} is taken for the same as {name}")
        age = asked - message.created_at
        hold(age <= WINDOW_MS + UNSURE_MS, f"{seq:x} is taken for the same after {age} ms")
