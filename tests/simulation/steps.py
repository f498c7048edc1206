"""What a run does in the middle: it waits for a result, sleeps, makes a call, or starts another run.

Which of these is left to a chance of its own, so that histories without runs are what they would be anyway.
"""

import json
import random
from typing import TYPE_CHECKING, Any

from simulation.endpoints import AT, FLOW, HOOK, headers_of, submit

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

SLEEPING, CALLING, INVOKING = "_sleeping", "_calling", "_invoking"
"""What is in the names of runs that sleep, make a call, or start another run."""
CHILD = "_child"
_NAMES = ("", "", "", SLEEPING, CALLING, INVOKING)


class Steps:
    """All of them.

    Args:
        world: where they are.
        seed: what is left to chance follows from it.
    """

    def __init__(self, world: "World", seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"{seed} steps")

    def kind(self) -> str:
        """Return what is in the name of a run that is started."""
        return self._chance.choice(_NAMES)

    async def submit(self, node: "Node", run: str, step: dict[str, Any]) -> bool:
        """Submit a step of a run, or ask for what it waits for; return whether that was acknowledged."""
        if step["stepId"] != AT or step["stepType"] != "Run" or CHILD in run:
            return await submit(node, run, {}, json.dumps(step))
        if SLEEPING in run:
            delay = f"{self._chance.choice((1, 5, 9))}s"
            slept = step | {"stepType": "SleepFor", "sleepFor": delay}
            return self._counted("slept", await submit(node, run, {"Upstash-Delay": delay}, json.dumps(slept)))
        if CALLING in run:
            return self._counted("made a call", await _call(node, run))
        if INVOKING in run:
            return self._counted("started another", await self._invoke(node, run, step))
        return await submit(node, run, {}, json.dumps(step))

    async def _invoke(self, node: "Node", run: str, step: dict[str, Any]) -> bool:
        child, step = f"{run}{CHILD}", step | {"stepType": "Invoke"}
        back = {name: [value] for name, value in headers_of(run).items()}
        envelope = {"workflowRunId": run, "step": step, "headers": back, "body": f"payload of {child}"}
        asked = headers_of(child) | {"Upstash-Workflow-Init": "true", "Upstash-Workflow-Invoke": "true"}
        lines = {name.lower().replace("-", "_"): value for name, value in asked.items()}
        answer = await node.call("POST", f"/v2/publish/{FLOW}", envelope, **lines)
        if answer.status == 200 and child not in self._world.known.runs:
            self._world.known.runs.append(child)
        return answer.status == 200

    def _counted(self, what: str, done: bool) -> bool:
        self._world.seen[f"a run {what}"] += done
        return done


async def _call(node: "Node", run: str) -> bool:
    back = headers_of(run) | {
        "Upstash-Workflow-CallType": "fromCallback",
        "Upstash-Forward-Upstash-Workflow-StepId": str(AT),
    }
    asked = {
        "Upstash-Workflow-Init": "false",
        "Upstash-Workflow-RunId": run,
        "Upstash-Workflow-Url": FLOW,
        "Upstash-Workflow-CallType": "toCallback",
        "Upstash-Callback": FLOW,
        "Upstash-Retries": "2",
        "Upstash-Retry-Delay": "1000",
        **{name.replace("Upstash-", "Upstash-Callback-", 1): value for name, value in back.items()},
    }
    item = {"destination": HOOK, "headers": asked, "body": f"call of {run}"}
    return (await node.call("POST", "/v2/batch", [item])).status == 200
