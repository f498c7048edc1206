"""Whole workflows of random shape, delivered in random order with lost replies: the result is always the same."""

import asyncio
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.workflow import Context
from ringback.workflow.definition import ServeOptions, as_workflow
from ringback.workflow.endpoint import Endpoint
from support.scripted_broker import ScriptedBroker

URL = "https://shop.test/wf"

# blocks after each other; each has branches side by side; each branch has steps after each other
shapes = st.lists(st.lists(st.integers(1, 2), min_size=1, max_size=3), min_size=1, max_size=2)


def names_of(shape: list[list[int]]) -> list[str]:
    return [
        f"{block}.{branch}.{step}"
        for block, branches in enumerate(shape)
        for branch, length in enumerate(branches)
        for step in range(length)
    ]


async def run_once(shape: list[list[int]], chance: random.Random, lost: float, takes_results: bool) -> None:
    async def branch(context: Context[None], block: int, number: int, length: int) -> list[str]:
        results = []
        for step in range(length):
            name = f"{block}.{number}.{step}"
            if (block + number + step) % 3 == 2:
                await context.sleep(name, 1 + number)
                results.append(name)
            else:
                results.append(await context.run(name, str, name))
        return results

    async def code(context: Context[None]) -> list[str]:
        results: list[str] = []
        for block, branches in enumerate(shape):
            parts = await asyncio.gather(*(branch(context, block, i, length) for i, length in enumerate(branches)))
            results += [name for part in parts for name in part]
        return results

    broker = ScriptedBroker(takes_results=takes_results)
    options = ServeOptions(transport=broker.transport, signing_keys=())
    broker.endpoints[URL] = Endpoint(as_workflow(code, options)).answer
    broker.choose = chance.randrange
    broker.lose = lambda number: chance.random() < lost and number < 30
    run = broker.trigger(URL)
    run.retries = 100
    await broker.drain()
    await broker.transport.close()
    assert run.errors == []
    assert run.state == "RUN_SUCCESS"
    assert json.loads(run.result or "") == names_of(shape)
    assert sorted(run.names) == sorted(names_of(shape))


@settings(max_examples=60, deadline=None)
@given(shapes, st.randoms(use_true_random=False), st.sampled_from([0.0, 0.3]), st.booleans())
def test_in_any_order_each_step_is_recorded_once(
    shape: list[list[int]], chance: random.Random, lost: float, takes_results: bool
) -> None:
    asyncio.run(run_once(shape, chance, lost, takes_results))
