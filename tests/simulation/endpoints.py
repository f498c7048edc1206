"""The endpoints: quick, slow, hanging and wrong ones, and a workflow that submits its results, sometimes twice."""

import asyncio
import json
from typing import TYPE_CHECKING

from ringback.wire.http import Outbound, Outcome
from simulation.verdict import Broken

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

TIMEOUT_S = 20
STEPS = 3
HOOK, FLOW, CALLBACK = "https://e.example/in", "https://w.example/wf", "https://cb.example/told"
WAITING = "_waiting"
"""What is in the names of runs that wait for an event."""
AT = 2
"""Which step of a run it is that waits, sleeps, makes a call or starts another run."""
EVENTS = ("sunrise", "sunset")
SDK = [("Upstash-Workflow-Sdk-Version", "1"), ("Upstash-workflow-sdk", "v1.3.2")]
_HOPELESS = 0.15
"""Which part of a workflow's steps fail for good."""
_WRONG = (
    Outcome(500),
    Outcome(404),
    Outcome(302),
    Outcome(0, error="connection refused"),
    Outcome(489),
    Outcome(489, [("Upstash-NonRetryable-Error", "true")]),
)


class Endpoints:
    """All of them.

    Args:
        world: where they are.

    Attributes:
        late: which part of the requests is answered late.
        twice: which part of the steps of runs is submitted twice.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.late, self.twice = 0.15, 0.2

    async def receive(self, node: "Node", outbound: Outbound) -> Outcome:
        """Answer a request of a broker."""
        world = self._world
        try:
            sent = world.witness.begin(node, outbound)
        except Broken as broken:
            world.accuse(broken)
            return Outcome(500)
        try:
            outcome = await self._answer(sent.seq, outbound)
            if not node.broker.dispatcher.holds(sent.seq):
                world.accuse(Broken(f"the broker of {sent.seq:x} has forgotten that it attempts it"))
            return outcome
        finally:
            world.witness.finish(sent)

    async def _answer(self, seq: int, outbound: Outbound) -> Outcome:
        world, chance = self._world, self._world.chance
        if world.account.message(seq).kind == "failure":
            return await world.functions.answer(seq, outbound)
        roll = chance.random() if not world.calm else 0.5
        if roll < self.late and not world.calm:
            seconds = chance.choice((3, 6, 9, TIMEOUT_S - 1, TIMEOUT_S + 1))
            world.seen["an endpoint hung" if seconds > TIMEOUT_S else "an endpoint answered late"] += 1
            await asyncio.sleep(seconds)
        await asyncio.sleep(chance.uniform(0.001, 0.3))
        if outbound.url == FLOW:
            return await self._workflow(outbound, roll)
        good = 0.2 if outbound.body.endswith(b"7") and not world.calm else 0.85  # some receivers are out of order
        if roll < good:
            return Outcome(200, [("X", "y")], b"ok")
        world.seen["an endpoint answered wrongly"] += 1
        return chance.choice(_WRONG)

    async def _workflow(self, outbound: Outbound, roll: float) -> Outcome:
        """Submit the next result, or end the run; sometimes twice, sometimes without a good answer."""
        world, run = self._world, dict(outbound.headers)["Upstash-Workflow-RunId"]
        is_answered = "fromCallback" in dict(outbound.headers).values()
        listed = AT if is_answered else sum(one["callType"] == "step" for one in json.loads(outbound.body or b"[]"))
        if not world.calm and world.chance.random() < _HOPELESS:
            world.known.given_up.add(run)
            world.seen["an endpoint gave a run up"] += 1
            return Outcome(489, [*SDK, ("Upstash-NonRetryable-Error", "true")])
        ways = range(2 if roll > 1 - self.twice else 1)
        both = (self._submit(run, listed, is_answered=is_answered) for _ in ways)
        if not all(await asyncio.gather(*both)):
            return Outcome(500, list(SDK))
        world.seen["an endpoint submitted a step twice"] += roll > 1 - self.twice
        world.seen["an endpoint did its work and the answer was lost"] += roll > 0.95
        return Outcome(500, list(SDK)) if roll > 0.95 else Outcome(200, list(SDK), b"{}")

    async def _submit(self, run: str, listed: int, *, is_answered: bool) -> bool:
        """Submit the step that comes after those in the list, or the end; return whether that was acknowledged."""
        node = self._world.any_node()
        if node is None:
            return False
        if listed > STEPS:
            return (await node.call("DELETE", f"/v2/workflows/runs/{run}?cancel=false")).status != 503
        kind = "Call" if is_answered else "Run"
        step = {"stepId": listed, "stepName": f"s{listed}", "stepType": kind, "out": "1", "concurrent": 1}
        if WAITING in run and listed == AT:
            return await _wait(node, run, step)
        return await self._world.steps.submit(node, run, step)


def event_of(run: str) -> str:
    """Return what a run waits for."""
    return EVENTS[len(run) % 2]


async def submit(node: "Node", run: str, more: dict[str, str], body: str) -> bool:
    """Submit a step of a run, or its start; return whether that was acknowledged."""
    headers = headers_of(run) | more
    answer = await node.call("POST", "/v2/batch", [{"destination": FLOW, "headers": headers, "body": body}])
    return answer.status == 200


async def _wait(node: "Node", run: str, step: dict[str, object]) -> bool:
    """Let a step of a run wait for an event, for some seconds."""
    event = event_of(run)
    body = {
        "url": FLOW,
        "step": step | {"stepType": "Wait", "waitEventId": event},
        "timeout": "6s",
        "timeoutHeaders": {name: [value] for name, value in headers_of(run).items()},
    }
    answer = await node.call("POST", f"/v2/wait/{event}", body, upstash_workflow_runid=run)
    return answer.status == 200


def headers_of(run: str) -> dict[str, str]:
    """Return what is asked for with each message of a run."""
    return {
        "Upstash-Workflow-Init": "false",
        "Upstash-Workflow-RunId": run,
        "Upstash-Workflow-Url": FLOW,
        "Upstash-Feature-Set": "LazyFetch,InitialBody",
        "Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
        "Upstash-Retries": "50",
        "Upstash-Retry-Delay": "1000",
        "Upstash-Timeout": f"{TIMEOUT_S}s",
    }
