"""What a workflow cannot do is answered with an error that says what to do instead."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from ringback.workflow import BlockingContext, Context
from workflow.one import run_one


@dataclass
class Receipt:
    number: int


async def step_in_step(context: Context[None]) -> None:
    async def outer() -> int:
        return await context.run("inner", lambda: 1)

    await context.run("outer", outer)


async def step_in_blocking_step(context: Context[None]) -> None:
    await context.run("outer", lambda: context.sleep("inner", 1) and 1)


async def step_never_awaited(context: Context[None]) -> None:
    await context.run("first", lambda: 1)
    context.run("forgotten", lambda: 2)  # type: ignore[unused-coroutine]


async def task_never_awaited(context: Context[None]) -> None:
    task = asyncio.create_task(context.run("left running", lambda: 2))
    await asyncio.sleep(0)
    assert not task.done()


async def step_awaited_twice(context: Context[None]) -> None:
    step = context.run("twice", lambda: 2)
    await step
    await step


async def timeout_around_a_step(context: Context[None]) -> None:
    async with asyncio.timeout(0):
        await context.run("hurried", lambda: 2)


async def result_without_annotation(context: Context[None]) -> None:
    await context.run("receipt", lambda: Receipt(1))


async def result_of_no_json(context: Context[None]) -> None:
    await context.run("object", object)


def nan() -> float:
    return float("nan")


async def result_not_a_number(context: Context[None]) -> None:
    await context.run("nan", nan)


def lies() -> int:
    return "text"  # type: ignore[return-value]


async def result_not_as_annotated(context: Context[None]) -> None:
    await context.run("lies", lies)


async def local_time(context: Context[None]) -> None:
    await context.sleep_until("local", datetime(2030, 1, 1))  # noqa: DTZ001 - that it has none is the point


async def unreadable_duration(context: Context[None]) -> None:
    await context.sleep("nap", "ten minutes")


async def stranger(context: Context[None]) -> None:
    await context.invoke("call a stranger", step_in_step)


async def call_without_a_scheme(context: Context[None]) -> None:
    await context.call("ask", url="vendor.example/v1")


async def call_with_an_unreadable_wait(context: Context[None]) -> None:
    await context.call("ask", url="https://vendor.example", retries=1, retry_delay="soon")


async def called_already(context: Context[None]) -> None:
    async def fetch() -> int:
        return 1

    await context.run("fetch", fetch())  # type: ignore[call-overload]


async def result_in_place_of_a_function(context: Context[None]) -> None:
    await context.run("count", len([1]))  # type: ignore[call-overload]


async def name_and_function_changed_places(context: Context[None]) -> None:
    await context.run(len, "count", [])  # type: ignore[call-overload]


async def name_that_is_none(context: Context[None]) -> None:
    await context.sleep(5, "10s")  # type: ignore[arg-type]


async def sleep_of_none(context: Context[None]) -> None:
    await context.sleep("nap", None)  # type: ignore[arg-type]


async def list_of_steps(context: Context[None]) -> None:
    await context.parallel([context.run("a", lambda: 1)])  # type: ignore[call-overload]


def steps_done_already(context: BlockingContext[None]) -> None:
    context.parallel(context.run("a", lambda: 1), context.run("b", lambda: 2))  # type: ignore[arg-type]


async def names_of_errors(context: Context[None]) -> None:
    await context.step(raises="ValueError").run("a", lambda: 1)  # type: ignore[arg-type]


async def negative_retries(context: Context[None]) -> None:
    await context.step(retries=-1).run("a", lambda: 1)


async def header_that_is_a_number(context: Context[None]) -> None:
    await context.call("ask", url="https://vendor.example", headers={"X-Tenant": 7})  # type: ignore[dict-item]


async def keys_that_are_no_text(context: Context[None]) -> None:
    await context.run("count", lambda: {7: "seven"})


async def half_a_character(context: Context[None]) -> None:
    await context.run("read", lambda: "\ud800")


async def results_one_by_one(context: Context[None]) -> None:
    def rows() -> Iterator[int]:
        yield 1

    await context.run("rows", rows)


async def canceled_from_within(context: Context[None]) -> None:
    async def gives_up() -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        task.cancel()
        await task

    await context.run("give up", gives_up)


def annotated_for_type_checkers() -> Any:
    async def code(context: Context[None]) -> None:
        def load() -> "Missing":  # type: ignore[name-defined]  # noqa: F821 - that it is missing is the point
            return Receipt(1)

        await context.run("load", load)

    return code


async def next_of_nothing(context: Context[None]) -> None:
    await context.run("first", lambda: next(iter(())))


@pytest.mark.parametrize(
    ("function", "error", "advice"),
    [
        (step_in_step, "Misuse", "'inner' was asked for inside step 'outer'.*Call the function itself"),
        (step_in_blocking_step, "Misuse", "'inner' was asked for inside step 'outer'"),
        (step_never_awaited, "Misuse", "'forgotten' was never awaited.*await context.run"),
        (task_never_awaited, "Misuse", "'left running' was never awaited"),
        (step_awaited_twice, "Misuse", "'twice' was awaited twice.*keep its result"),
        (timeout_around_a_step, "Misuse", r"'hurried' was cancelled.*context.step\(timeout="),
        (result_without_annotation, "NotSerializable", r"'receipt'.*annotate the function's result \(-> Receipt\)"),
        (result_of_no_json, "NotSerializable", "'object' cannot travel as JSON"),
        (result_not_a_number, "NotSerializable", "'nan' cannot travel"),
        (result_not_as_annotated, "NotSerializable", "'lies'.*expected int, got str"),
        (local_time, "ValueError", "'local' must have a time zone"),
        (unreadable_duration, "ValueError", "'nap' must be seconds.*'ten minutes'"),
        (call_without_a_scheme, "ValueError", "url of call 'ask' must begin with http"),
        (call_with_an_unreadable_wait, "ValueError", "retry delay of call 'ask' must be a duration.*'soon'"),
        (next_of_nothing, "RuntimeError", r"<lambda> raised StopIteration: give next\(\) a default"),
        (called_already, "Misuse", r"'fetch' was called.*context.run\('fetch', fetch, ...\)"),
        (result_in_place_of_a_function, "Misuse", "'count' needs a function to call, not a int"),
        (name_and_function_changed_places, "Misuse", "needs a function to call, not a str"),
        (name_that_is_none, "Misuse", "name of a step comes first and is text, not 5"),
        (sleep_of_none, "ValueError", "'nap' must be seconds.*not None"),
        (list_of_steps, "Misuse", r"parallel\(\*steps\)"),
        (steps_done_already, "Misuse", r"not a int:.*context.pending.run"),
        (names_of_errors, "Misuse", "raises of a step takes classes of errors, not 'ValueError'"),
        (negative_retries, "Misuse", "retries of a step must be a whole number from 0 on, not -1"),
        (header_that_is_a_number, "TypeError", "header X-Tenant of call 'ask' must be text, not int"),
        (keys_that_are_no_text, "NotSerializable", r"the key 7 would come back as text.*dict\[int, ...\]"),
        (half_a_character, "NotSerializable", "'read' cannot travel as JSON"),
        (results_one_by_one, "NotSerializable", "'rows'.*no way to write a generator"),
        (canceled_from_within, "WorkflowError", "'give up' waited for something of its own"),
        (annotated_for_type_checkers(), "NotSerializable", "'Missing' is not defined.*TYPE_CHECKING"),
        (stranger, "Misuse", "'call a stranger' invokes a workflow that is not served.*serve_many"),
    ],
)
async def test_misuse_gets_an_error_that_says_what_to_do(function: Callable[..., Any], error: str, advice: str) -> None:
    run = await run_one(function)
    assert run.state == "RUN_FAILED"
    assert run.errors[0]["error"] == error
    assert re.search(advice, run.errors[0]["message"]), run.errors[0]["message"]


async def test_a_changed_order_of_steps_is_refused() -> None:
    order = iter([["a", "b"], ["b", "a"]])

    async def shuffled(context: Context[None]) -> None:
        for name in next(order):
            await context.run(name, lambda: 1)

    run = await run_one(shuffled)
    assert run.errors[0]["error"] == "StepMismatch"
    assert "is 'a' (Run), but the code asks for 'b'" in run.errors[0]["message"]
