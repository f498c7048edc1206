"""Runs survive a deploy: each keeps the path that its history tells of."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from ringback.client import AsyncWorkflowClient
from ringback.wire.steps import Entry
from ringback.workflow import Context
from ringback.workflow.checking import check_history
from support.scripted_broker import Run, ScriptedBroker
from workflow.one import URL, serve_one


def step(context: Context[Any], name: str) -> Any:
    return context.run(name, str, name)


async def old(context: Context[None]) -> list[str]:
    return [await step(context, "charge"), await step(context, "ship")]


async def new(context: Context[None]) -> list[str]:
    done = [await step(context, "charge")]
    if await context.patched("check stock"):
        done.append(await step(context, "check"))
    return [*done, await step(context, "ship")]


async def deployed(before: Callable[..., Any], after: Callable[..., Any], deliveries: int) -> Run:
    """Return a run that makes some deliveries on the code before a deploy, and the others on that after it."""
    broker = ScriptedBroker()
    serve_one(broker, before)
    run = broker.trigger(URL)
    run.retries = 0
    while broker._due and len(broker.deliveries) < deliveries:
        await broker._due.popleft()()
    serve_one(broker, after)
    await broker.drain()
    return run


@pytest.mark.parametrize(
    ("deliveries", "path"),
    [
        (0, ["charge", "check", "ship"]),
        (1, ["charge", "check", "ship"]),  # had not come to the marker's place yet
        (2, ["charge", "ship"]),  # was past it
        (3, ["charge", "ship"]),
    ],
)
async def test_a_run_keeps_the_path_it_took(deliveries: int, path: list[str]) -> None:
    run = await deployed(old, new, deliveries)
    assert run.errors == []
    assert json.loads(run.result or "") == path


async def test_without_a_marker_a_changed_order_is_an_error_and_a_rollback_heals_it() -> None:
    deployed_wrongly = [True]

    async def changed_for_one_try(context: Context[None]) -> list[str]:
        if deployed_wrongly:
            deployed_wrongly.clear()
            await step(context, "check")
        return await old(context)

    broker = ScriptedBroker()
    serve_one(broker, old)
    run = broker.trigger(URL)
    for _ in range(2):
        await broker._due.popleft()()
    serve_one(broker, changed_for_one_try)
    await broker.drain()
    assert [(error["status"], error["error"]) for error in run.errors] == [(500, "StepMismatch")]
    assert run.result == '["charge","ship"]'


async def test_a_marker_among_parallel_steps_is_answered_first() -> None:
    async def marked(context: Context[None]) -> list[Any]:
        return await asyncio.gather(step(context, "a"), context.patched("with b"), step(context, "b"))

    run = await deployed(marked, marked, 0)
    assert json.loads(run.result or "") == ["a", True, "b"]
    assert run.names[0] == "patched: with b"


async def test_a_group_from_before_the_marker_is_found_again() -> None:
    async def before(context: Context[None]) -> list[Any]:
        return await asyncio.gather(step(context, "a"), step(context, "b"))

    async def after(context: Context[None]) -> list[Any]:
        return await asyncio.gather(step(context, "a"), context.patched("new"), step(context, "b"))

    for deliveries in (1, 2, 3):
        run = await deployed(before, after, deliveries)
        assert run.errors == []
        assert json.loads(run.result or "") == ["a", False, "b"]


async def test_a_history_that_new_code_does_not_fit_is_named_before_the_deploy() -> None:
    async def renamed(context: Context[None]) -> list[str]:
        return [await step(context, "pay"), await step(context, "ship")]

    charged = Entry("m1", b'{"stepId":1,"stepName":"charge","stepType":"Run","out":"\\"charge\\"","concurrent":1}')
    history = [Entry("m0", b""), charged]
    client = AsyncWorkflowClient(ScriptedBroker().broker)
    checked = [await check_history(code, "wfr_1", history, URL, client) for code in (old, new, renamed)]
    assert [(each.next_step, each.problem is None) for each in checked] == [
        ("ship", True),
        ("patched: check stock", True),
        (None, False),
    ]
    assert "StepMismatch" in (checked[2].problem or "")
