"""What a step's recorded result costs: neither a turn of the event loop nor work for the garbage collector."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from ringback.workflow import BlockingContext, Context, Middleware, StepFailed
from support.scripted_broker import ScriptedBroker
from workflow.one import URL, run_one, serve_one


async def test_recorded_steps_are_given_back_without_a_turn_of_the_event_loop() -> None:
    turns: list[int] = []

    async def code(context: Context[None]) -> None:
        passed: list[bool] = []
        asyncio.get_running_loop().call_soon(passed.append, True)
        for name in "abc":
            await context.run(name, str, name)
        turns.append(len(passed))
        await context.run("d", str, "d")

    run = await run_one(code)
    assert run.errors == []
    assert turns == [0, 0]  # the delivery that executes d, and the last one


async def test_steps_after_a_group_are_given_back_at_once_too() -> None:
    async def code(context: Context[None]) -> list[str]:
        together = await asyncio.gather(*(context.run(name, str, name) for name in "ab"))
        passed: list[bool] = []
        asyncio.get_running_loop().call_soon(passed.append, True)
        alone = await context.run("c", str, "c")
        return [*together, alone, str(passed)]

    run = await run_one(code)
    assert run.result == '["a","b","c","[]"]'


async def test_a_step_beside_a_task_that_asks_too_keeps_its_group() -> None:
    async def beside(context: Context[None]) -> str:
        await context.run("b1", str, "b1")
        return await context.run("b2", str, "b2")

    async def code(context: Context[None]) -> str:
        task = asyncio.ensure_future(beside(context))
        a1, a2 = await context.run("a1", str, "a1"), await context.run("a2", str, "a2")
        return a1 + a2 + await task

    run = await run_one(code)
    assert run.errors == []
    assert run.result == '"a1a2b2"'


async def test_a_failed_step_is_raised_again_on_every_replay() -> None:
    def declined() -> None:
        raise ValueError("declined")

    async def code(context: Context[None]) -> str:
        with pytest.raises(StepFailed, match="declined"):
            await context.step(raises=ValueError).run("charge", declined)
        return await context.run("after", str, "went on")

    run = await run_one(code)
    assert run.errors == []
    assert run.result == '"went on"'


async def test_a_middleware_hears_of_the_last_result_even_when_the_code_fails_on_it() -> None:
    told: list[Any] = []

    class Told(Middleware):
        def after_execution(self, context: Context[Any], step: str, result: Any) -> None:
            told.append((step, result))

        def failed(self, run_id: str, error: BaseException) -> None:
            told.append(str(error))

    async def code(context: Context[None]) -> None:
        await context.run("first", str, 1)
        raise OSError(await context.run("second", str, 2))

    await run_one(code, middlewares=[Told()])
    assert told == [("first", "1"), ("second", "2"), "2"]


async def test_blocking_code_gets_recorded_steps_in_its_own_thread() -> None:
    def code(context: BlockingContext[None]) -> list[str]:
        steps = [context.run(name, str, name) for name in "abc"]
        return [*steps, *context.parallel(*(context.pending.run(name, str, name) for name in "de"))]

    run = await run_one(code)
    assert run.errors == []
    assert run.result == '["a","b","c","d","e"]'


async def test_blocking_code_that_waits_twice_for_one_step_is_told_so() -> None:
    def code(context: BlockingContext[None]) -> None:
        step = context.pending.run("twice", str, 2)
        context.wait_for(step)
        context.wait_for(step)

    run = await run_one(code)
    assert "'twice' was awaited twice" in run.errors[0]["message"]


async def test_a_delivery_leaves_nothing_to_the_garbage_collector() -> None:
    left: list[weakref.ref[Context[None]]] = []

    async def code(context: Context[None]) -> None:
        left.append(weakref.ref(context))
        for name in "abc":
            await context.run(name, str, name)

    broker = ScriptedBroker(takes_results=True)
    serve_one(broker, code, signing_keys=())
    run = broker.trigger(URL)
    gc.disable()
    try:
        await broker.drain()
        assert run.state == "RUN_SUCCESS"
        assert [ref() for ref in left] == [None] * 4
    finally:
        gc.enable()
    await broker.transport.close()
