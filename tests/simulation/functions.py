"""Failure functions: which runs have one, how it answers, and those who have it called again or given up.

All that is left to chance here has a source of its own, so that histories without a failed run are what they would be anyway.
"""

import asyncio
import json
import random
from typing import TYPE_CHECKING

from ringback.broker.ids import message_id, position
from ringback.broker.records import DeadLetter, Run
from ringback.wire.http import Outbound, Outcome
from simulation.endpoints import FLOW, TIMEOUT_S
from simulation.users import KEYS, RETRIES
from simulation.verdict import Broken, hold

if TYPE_CHECKING:
    from simulation.node import Node
    from simulation.world import World

IS_FAILURE = "Upstash-Workflow-Is-Failure"
_WITHOUT = 0.3
"""Which part of all runs have none."""
_WRONG = (
    Outcome(500),
    Outcome(404),
    Outcome(0, error="connection refused"),
    Outcome(489, [("Upstash-NonRetryable-Error", "true")]),
)


class Functions:
    """All of them.

    Args:
        world: where they are.
        seed: what is left to chance follows from it.
    """

    def __init__(self, world: "World", seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"{seed} failure functions")

    def asked_for(self) -> dict[str, str]:
        """Return the headers by which a start asks for one, or none."""
        chance = self._chance
        if chance.random() < _WITHOUT:
            return {}
        asked = {
            "": FLOW,
            f"-Forward-{IS_FAILURE}": "true",
            "-Workflow-CallType": "failureCall",
            "-Retries": str(RETRIES),
            "-Retry-Delay": str(chance.choice((0, 500, 4000))),
        }
        if chance.random() < 0.5:
            key = chance.choice(("slow", *KEYS))
            asked |= {"-Flow-Control-Key": key, "-Flow-Control-Value": KEYS[key]}
        return {f"Upstash-Failure-Callback{name}": value for name, value in asked.items()}

    async def answer(self, seq: int, outbound: Outbound) -> Outcome:
        """Be the function of a run, which must have failed by now."""
        world, chance = self._world, self._chance
        with world.judging():
            self._is_of_a_failed_run(seq, outbound)
        roll = chance.random() if not world.calm else 0.5
        if roll < 0.15:
            await asyncio.sleep(chance.choice((3, 9, TIMEOUT_S + 1)))
        await asyncio.sleep(chance.uniform(0.001, 0.3))
        if roll < 0.7:
            return Outcome(200, [], b'{"result": "told"}')
        if roll < 0.8:
            world.known.without_function.add(seq)
            return Outcome(200, [("Upstash-Workflow-Failure-Callback-Notfound", "true")], b"{}")
        wrong = chance.choice(_WRONG)
        if wrong.status == 489:
            world.known.useless.add(seq)
        return wrong

    def look_after(self) -> None:
        """Now and then have one that has failed called again, or one give up that has not ended."""
        roll = self._chance.random()
        if roll < 0.3:
            self._ask("POST", "CALLBACK_FAIL")
        elif roll < 0.35:
            self._ask("DELETE", "CALLBACK_INPROGRESS")

    def _ask(self, method: str, state: str) -> None:
        world = self._world
        rows = world.account.rows
        nodes = [node for node in world.nodes if node is not None]
        runs = [one for one in rows[Run].values() if isinstance(one, Run) and (one.dead_letter,) in rows[DeadLetter]]
        found = [(run, run.failure) for run in runs if run.failure is not None and run.failure.state == state]
        if not found or not nodes:
            return
        run, function = self._chance.choice(found)
        to = f"/v2/workflows/dlq/callback/{position(run.dead_letter or 0)}"
        if method == "DELETE" and self._chance.random() < 0.5:
            to = f"/v2/messages/{message_id(function.message)}"
        asked = world.known.functions_again if method == "POST" else world.known.functions_given_up
        asked.add(run.seq)
        world.tell(f"the failure function of {run.run_id}: {method} {to}")
        world.ask(self._call(self._chance.choice(nodes), method, to))

    async def _call(self, node: "Node", method: str, to: str) -> None:
        answer = await node.call(method, to)
        if answer.status not in (200, 202, 302, 400, 404, 503):  # it may have ended, or its letter be used, meanwhile
            self._world.accuse(Broken(f"{method} {to}: {answer.status} {answer.json}"))

    def _is_of_a_failed_run(self, seq: int, outbound: Outbound) -> None:
        run = self._world.account.rows[Run].get((self._run_of(seq),))
        assert isinstance(run, Run), f"the run of {seq:x} is known to nobody"
        hold(run.state == "RUN_FAILED", f"the failure function of {run.run_id} is called, which is {run.state}")
        hold(
            run.failure and run.failure.message == seq,
            f"{seq:x} is not what calls the failure function of {run.run_id}",
        )
        told = json.loads(outbound.body)
        hold(told["workflowRunId"] == run.run_id, f"{run.run_id} is told that {told['workflowRunId']} has failed")
        self._world.seen["a failure function was called"] += 1

    def _run_of(self, seq: int) -> int:
        reference = self._world.account.message(seq).run
        assert reference is not None
        return reference.run


def at_rest(world: "World") -> None:
    """What holds when everything has been given the time to end: each has been called, and how it ended is known."""
    requests, known = world.witness.requests, world.known
    for run in world.account.rows[Run].values():
        assert isinstance(run, Run)
        function = run.failure
        if function is None:
            continue
        hold(function.state != "CALLBACK_INPROGRESS", f"the failure function of {run.run_id} has never ended")
        times = requests[function.message]
        hold(times or function.state == "CALLBACK_CANCELED", f"the failure function of {run.run_id} was never called")
        if function.state == "CALLBACK_FAIL" and function.message not in known.useless:
            hold(times > RETRIES, f"the failure function of {run.run_id} was given up after {times} attempts")
