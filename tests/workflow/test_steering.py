"""Runs are started, watched, woken, canceled and brought back through the client, with our broker."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from ringback import clock
from ringback.client import (
    AsyncTransport,
    AsyncWorkflowClient,
    Broker,
    DeadLetterFilter,
    LogFilter,
    RunFilter,
    RunOptions,
    Start,
    WorkflowClient,
)
from ringback.errors import Refused
from ringback.wire.signing import sign
from ringback.workflow import Checked, Context, Event, NonRetryableError, charge_once, check_runs
from ringback.workflow.adapters.starlette import serve_many
from workflow.served import LIMIT, served
from workflow.test_real_broker import ended


async def waits(context: Context[str]) -> Any:
    event: Event = await context.wait_for_event("wait", context.request_payload, timeout="5m")
    return event.data


async def hooked(context: Context[None]) -> Any:
    hook = await context.create_webhook("make")
    await context.run("tell", HOOKS.append, hook.url)
    call = await context.wait_for_webhook("wait", hook, timeout="5m")
    assert call.request is not None
    return [
        call.request.method,
        call.request.url == f"{hook.url}?a=b",
        call.request.json(),
        call.request.headers["x-h"],
    ]


async def fails_once(context: Context[None]) -> str:
    await context.run("before", TRIES.append, "before")
    if not MENDED:
        raise NonRetryableError("not mended")
    return "mended"


async def sleeps(context: Context[None]) -> None:
    await context.sleep("nap", "1h")


async def sizes(context: Context[str]) -> list[int]:
    longer = await context.run("longer", lambda: f"<{context.request_payload}>")
    plain = await context.run("size", len, context.request_payload)
    SIZES.append(plain)
    return [len(longer), plain]


async def beats(context: Context[None]) -> list[Any]:
    async def long() -> list[Any]:
        await context.heartbeat("half way")
        said: list[Any] = ["taken"]
        for other in ({"attempt": 7}, {"message_id": "msg_0000000000000000"}):
            facts = dataclasses.replace(context._facts, **other)
            try:
                await Context(None, facts, context.pending_steps, context._transport).heartbeat(0.5)
            except Refused as refused:
                said.append(refused.status)
        return said

    return await context.run("long", long)


def charge(key: str) -> int:
    CHARGES.append(key)
    raise TimeoutError("the money has moved, and the answer is lost")


def find_charge(key: str) -> int | None:
    return CHARGES.count(key) or None


async def buys(context: Context[None]) -> int:
    return await charge_once(context, "buy", charge, look_up=find_charge)


async def failed(failure: Any) -> None:
    TOLD.append(failure.message)


HOOKS: list[str] = []
TRIES: list[str] = []
MENDED: list[str] = []
TOLD: list[str] = []
SIZES: list[int] = []
CHARGES: list[str] = []


@pytest.fixture
async def app(real_broker: Broker) -> AsyncIterator[str]:
    for each in (HOOKS, TRIES, MENDED, TOLD, SIZES, CHARGES):
        each.clear()
    application = Starlette()
    transport = AsyncTransport(real_broker)
    functions = (waits, sleeps, hooked, fails_once, sizes, beats, buys)
    workflows = {function.__name__: function for function in functions}
    serve_many(application, "/wf", workflows, transport=transport, failure_function=failed)
    async with served(application) as address:
        yield f"{address}/wf"
        await transport.close()


@pytest.fixture
async def client(real_broker: Broker) -> AsyncIterator[AsyncWorkflowClient]:
    async with AsyncWorkflowClient(real_broker) as made:
        yield made


async def until(ask: Any) -> Any:
    """Return the first true answer."""
    async with asyncio.timeout(LIMIT):
        while True:
            answer = await ask()
            if answer:
                return answer
            await asyncio.sleep(0.02)


async def waiting(client: AsyncWorkflowClient, count: int) -> bool:
    return len(await client.waiters("never")) == count


async def asleep(client: AsyncWorkflowClient, run_id: str) -> bool:
    page = await client.logs(LogFilter(workflow_run_id=run_id))
    return "nap" in str(page.items)


async def told(count: int) -> bool:
    return len(TOLD) == count


async def test_an_event_wakes_the_run_that_waits_for_it(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/waits", body="paid/ü 7")
    (waiter,) = await until(lambda: client.waiters("paid/ü 7"))
    assert waiter["url"] == f"{app}/waits"
    woken = await client.notify("paid/ü 7", {"sum": "ü"})
    assert [one["workflowRunId"] for one in woken] == [run.workflow_run_id]
    assert json.loads((await ended(client, run.workflow_run_id))["workflowRunResponse"]) == {"sum": "ü"}
    assert await client.notify("paid/ü 7") == []


async def test_a_third_party_reaches_a_run_through_its_webhook(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/hooked")

    async def hook_is_there() -> bool:
        return bool(HOOKS)

    await until(hook_is_there)
    async with httpx.AsyncClient() as third_party:
        answer = await third_party.put(f"{HOOKS[0]}?a=b", json={"n": 1}, headers={"X-H": "h"})
    assert answer.status_code == 200
    log = await ended(client, run.workflow_run_id)
    assert json.loads(log["workflowRunResponse"]) == ["PUT", True, {"n": 1}, "h"]


async def test_runs_are_canceled_one_by_one_and_by_what_they_have_in_common(
    app: str, client: AsyncWorkflowClient
) -> None:
    options = RunOptions(labels=("common",))
    starts = [Start(f"{app}/waits", "never", f"cancel-{n}", options) for n in range(3)]
    runs = await client.trigger_many(starts)
    assert [run.workflow_run_id for run in runs] == ["wfr_cancel-0", "wfr_cancel-1", "wfr_cancel-2"]
    again = await client.trigger(url=f"{app}/waits", body="never", workflow_run_id="cancel-0")
    assert again.deduplicated
    await until(lambda: waiting(client, 3))
    assert await client.cancel("wfr_cancel-0", "wfr_unknown") == 1
    assert await client.cancel("wfr_cancel-0") == 0
    assert await client.cancel_where(RunFilter(labels=("common",))) == 2
    page = await client.logs(LogFilter(labels=("common",), state="RUN_CANCELED"))
    assert len(page.items) == 3


async def test_a_failed_run_is_told_of_and_goes_on_where_it_failed(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/fails_once")
    log = await ended(client, run.workflow_run_id)
    assert log["workflowState"] == "RUN_FAILED"
    letters = await client.dead_letters()
    (letter,) = [one for one in letters.items if one["workflowRunId"] == run.workflow_run_id]
    await until(lambda: told(1))
    assert TOLD == ["not mended"]
    MENDED.append("now")
    (resumed,) = await client.resume(letter["dlqId"], options=RunOptions(retries=1))
    log = await ended(client, resumed)
    assert log["workflowRunResponse"] == '"mended"'
    assert TRIES == ["before"]


async def test_a_failed_run_can_be_run_again_from_the_start_or_forgotten(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/fails_once")
    await ended(client, run.workflow_run_id)
    letters = await client.dead_letters()
    (letter,) = [one for one in letters.items if one["workflowRunId"] == run.workflow_run_id]
    (again,) = await client.restart(letter["dlqId"])
    await ended(client, again)
    assert TRIES == ["before", "before"]
    letters = await client.dead_letters()
    (letter,) = [one for one in letters.items if one["workflowRunId"] == again]
    assert await client.delete_dead_letters(letter["dlqId"]) == 1
    await until(lambda: told(2))


async def test_failed_runs_are_brought_back_and_forgotten_by_a_filter(app: str, client: AsyncWorkflowClient) -> None:
    options = RunOptions(labels=("by-filter",))
    runs = await client.trigger_many([Start(f"{app}/fails_once", options=options) for _ in range(2)])
    for run in runs:
        await ended(client, run.workflow_run_id)
    mine = DeadLetterFilter(labels="by-filter", workflow_url=f"{app}/fails_once")
    assert len((await client.dead_letters(mine)).items) == 2
    part = await client.resume_where(mine, options=RunOptions(retries=0))
    assert part.count == 2
    for made in part.items:
        assert (await ended(client, made["workflowRunId"]))["workflowState"] == "RUN_FAILED"
    again = await client.restart_where(mine, count=1)
    assert again.count == 1
    await ended(client, again.items[0]["workflowRunId"])
    assert (await client.delete_dead_letters_where(mine)).count == 2
    assert (await client.dead_letters(mine)).items == []


async def test_the_blocking_client_does_the_same(app: str, real_broker: Broker, client: AsyncWorkflowClient) -> None:
    with WorkflowClient(real_broker) as blocking:
        run = await asyncio.to_thread(blocking.trigger, url=f"{app}/waits", body="never")
        await until(lambda: waiting(client, 1))
        assert await asyncio.to_thread(blocking.cancel, run.workflow_run_id) == 1


async def test_a_run_that_is_started_by_url_alone_finds_its_sdk(
    app: str, real_broker: Broker, client: AsyncWorkflowClient
) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {real_broker.token}"}) as http:
        answer = await http.post(f"{real_broker.url}/v2/trigger/{app}/sizes", content=b'"abc"')
    assert answer.status_code == 200
    log = await ended(client, answer.json()["workflowRunId"])
    assert json.loads(log["workflowRunResponse"]) == [5, 3]
    assert SIZES.count(3) == 1


async def test_large_state_is_fetched(app: str, client: AsyncWorkflowClient) -> None:
    payload = "ü" * 2_000_000
    run = await client.trigger(url=f"{app}/sizes", body=payload)
    log = await ended(client, run.workflow_run_id)
    assert json.loads(log["workflowRunResponse"]) == [len(payload) + 2, len(payload)]


async def test_the_broker_takes_heartbeats_of_the_current_try_only(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/beats")
    log = await ended(client, run.workflow_run_id)
    assert json.loads(log["workflowRunResponse"]) == ["taken", 409, 409]


async def test_a_charge_is_made_once_with_the_reply_lost(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/buys", options=RunOptions(retry_delay="50"))
    log = await ended(client, run.workflow_run_id)
    assert log["workflowRunResponse"] == "1"
    assert [json.loads(log["steps"][1]["steps"][0]["out"])] == CHARGES


async def test_a_repeated_start_starts_nothing_even_after_the_run_has_ended(
    app: str, real_broker: Broker, client: AsyncWorkflowClient
) -> None:
    key = real_broker.signing_keys[0]
    url = f"{app}/sizes"
    headers = {"Upstash-Signature": sign(url, b'"abc"', key, clock.now(), "j"), "Upstash-Message-Id": "msg_publish"}
    async with httpx.AsyncClient(headers=headers) as http:
        first, *others = [(await http.post(url, content=b'"abc"')).json()["workflowRunId"] for _ in range(2)]
        await ended(client, first)
        others.append((await http.post(url, content=b'"abc"')).json()["workflowRunId"])
    assert others == [first, first]
    page = await client.logs(LogFilter(workflow_run_id=first))
    assert [run["workflowState"] for run in page.items] == ["RUN_SUCCESS"]


async def test_new_code_is_checked_against_the_runs_in_flight(app: str, client: AsyncWorkflowClient) -> None:
    run = await client.trigger(url=f"{app}/sleeps")
    await until(lambda: asleep(client, run.workflow_run_id))

    async def renamed(context: Context[str]) -> None:
        await context.run("first", done.append, "a step was done")

    done: list[str] = []
    same, other = [await check_runs(code, f"{app}/sleeps", client) for code in (sleeps, renamed)]
    assert same == [Checked(run.workflow_run_id, None, "nap")]
    problem = "the run waits for step 'nap', but the code goes on with 'first'"
    assert other == [Checked(run.workflow_run_id, problem, "first", "StepMismatch", 1)]
    assert done == []
    await client.cancel(run.workflow_run_id)
    assert await check_runs(renamed, f"{app}/sleeps", client) == []
