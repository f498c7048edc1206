"""Steps of plain workflows are executed in the thread of the workflow's code, and nothing else about them changes."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from ringback.client.messages import RunRef
from ringback.workflow import BlockingContext, Middleware
from ringback.workflow.definition import as_workflow
from ringback.workflow.errors import DeliveryEnded
from ringback.workflow.facts import Facts
from ringback.workflow.following import Perform
from ringback.workflow.journal import Journal
from ringback.workflow.middleware import Middlewares
from ringback.workflow.turn import Turn
from support.scripted_broker import Run, ScriptedBroker
from workflow.one import URL, run_one


def where() -> str:
    return threading.current_thread().name


async def awaited() -> str:
    await asyncio.sleep(0)
    return where()


def given() -> Coroutine[Any, Any, str]:
    return awaited()


def names(context: BlockingContext[None]) -> list[str]:
    return [
        context.run("plain", where),
        context.step(timeout="10s").run("bounded", where),
        context.run("async", awaited),
        context.run("given", given),
    ]


async def test_a_plain_step_runs_in_the_thread_of_the_code_and_others_where_they_can_be_awaited() -> None:
    run = await run_one(names)
    assert run.errors == []
    plain, bounded, asynchronous, afterwards = result_of(run)
    assert plain == "ringback-workflow"
    assert bounded.startswith("asyncio_")
    assert asynchronous == afterwards == threading.current_thread().name


async def test_what_a_middleware_has_to_be_told_before_comes_before() -> None:
    told: list[str] = []

    class Told(Middleware):
        def before_execution(self, context: Any, step: str) -> None:
            told.append("before")

    def code(context: BlockingContext[None]) -> None:
        context.run("step", told.append, "step")

    await run_one(code, middlewares=[Told()])
    assert told == ["before", "step"]


async def test_code_that_is_unwound_executes_no_further_step() -> None:
    done: list[str] = []

    def code(context: BlockingContext[None]) -> str:
        try:
            context.run("first", done.append, "first")
        finally:
            context.run("second", done.append, "second")
        return "through"

    run = await run_one(code)
    assert run.errors == []
    assert done == ["first", "second"]
    assert result_of(run) == "through"


async def test_code_that_catches_everything_still_ends_its_delivery_with_the_step() -> None:
    done: list[int] = []

    def code(context: BlockingContext[None]) -> int:
        try:
            return context.run("step", lambda: done.append(1) or 7)
        except BaseException:
            return 0

    run = await run_one(code)
    assert (result_of(run), done) == (7, [1])


@pytest.mark.parametrize(("error", "name"), [(OSError("down"), "OSError"), (SystemExit(3), "WorkflowError")])
async def test_what_a_step_raises_fails_the_delivery_and_is_not_the_codes_to_catch(
    error: BaseException, name: str
) -> None:
    caught: list[BaseException] = []

    def fails() -> None:
        raise error

    def code(context: BlockingContext[None]) -> None:
        try:
            context.run("fails", fails)
        except Exception as raised:
            caught.append(raised)

    run = await run_one(code)
    assert [failure["error"] for failure in run.errors] == [name]
    assert caught == []


def until_asked(context: BlockingContext[None], wait: Callable[[float], object]) -> None:
    """Wait until another thread has asked for a step."""
    for _ in range(1000):
        if context.pending.pending_steps._waiting:
            break
        wait(0.01)


async def test_what_another_thread_asks_for_meanwhile_does_not_take_the_steps_place() -> None:
    done: list[str] = []

    def code(context: BlockingContext[None]) -> str:
        def beside() -> None:
            with suppress(DeliveryEnded):
                context.run("beside", done.append, "beside")

        def step() -> str:
            other = threading.Thread(target=beside)
            other.start()
            until_asked(context, other.join)
            done.append("step")
            return "step"

        return context.run("step", step)

    run = await run_one(code)
    assert run.errors == []
    assert (done, result_of(run)) == (["step"], "step")


async def test_code_that_waits_for_another_thread_while_it_is_unwound_ends_its_delivery() -> None:
    done: list[str] = []

    def code(context: BlockingContext[None]) -> str:
        with ThreadPoolExecutor(1) as pool:  # its end waits for what its thread does

            def step() -> str:
                beside = pool.submit(context.run, "beside", done.append, "beside")
                until_asked(context, partial(wait, [beside]))
                done.append("step")
                return "step"

            return context.run("step", step)

    run = await run_one(code)
    assert run.errors == []
    assert (done, result_of(run)) == (["step"], "step")


async def test_a_delivery_that_is_only_foreseen_executes_nothing() -> None:
    done: list[int] = []

    def code(context: BlockingContext[None]) -> None:
        context.run("step", done.append, 1)

    broker = ScriptedBroker()
    turn = Turn(as_workflow(code, {}), Facts(RunRef("wfr_1", URL)), broker.transport, Middlewares(()), {})
    purpose = await turn.foresee(Journal(), None)
    await broker.transport.close()
    assert isinstance(purpose, Perform)
    assert (purpose.asked.name, done) == ("step", [])


def result_of(run: Run) -> Any:
    return json.loads(run.result or "null")
