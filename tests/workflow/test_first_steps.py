"""The smallest workflows, served by Starlette in memory, against a scripted broker."""

import asyncio
import json
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from ringback.wire.http import Request, Response
from ringback.workflow import BlockingContext, Context, Failure, NonRetryableError
from ringback.workflow.adapters.starlette import serve
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.workflow import ServeOptions, as_workflow
from support.scripted_broker import ScriptedBroker

URL = "https://shop.test/wf/order"


@dataclass
class Order:
    id: int
    pay: bool = True


def add(a: int, b: int) -> int:
    return a + b


async def double(a: int) -> int:
    return a * 2


def served(broker: ScriptedBroker, function: object, **options: object) -> Endpoint:
    options = {"transport": broker.transport, **options}
    endpoint = Endpoint(as_workflow(function, ServeOptions(**options)))  # type: ignore[arg-type, typeddict-item]
    broker.endpoints[URL] = endpoint.answer
    return endpoint


@pytest.mark.parametrize("takes_results", [False, True])
async def test_a_sequence_of_steps_runs_each_step_once(takes_results: bool) -> None:
    calls: list[str] = []

    async def order(context: Context[Order]) -> str:
        one = await context.run("add", add, context.request_payload.id, 1)
        calls.append("between")
        await context.sleep("nap", "5s")
        two = await context.run("double", double, one)
        return f"{one} {two}"

    broker = ScriptedBroker(takes_results=takes_results)
    served(broker, order)
    run = broker.trigger(URL, {"id": 4})
    await broker.drain()
    assert run.state == "RUN_SUCCESS"
    assert json.loads(run.result or "") == "5 10"
    assert run.names == ["add", "nap", "double"]
    assert len(broker.deliveries) == 4
    assert len(broker.api_calls) == (0 if takes_results else 4)


async def test_gathered_steps_run_side_by_side() -> None:
    async def order(context: Context[Order]) -> list[int]:
        a, b = await asyncio.gather(context.run("a", add, 1, 1), context.run("b", double, 4))
        async with asyncio.TaskGroup() as group:
            c = group.create_task(context.run("c", add, a, b))
            d = group.create_task(context.run("d", add, 0, b))
        e, f = await context.parallel(context.run("e", add, 1, 1), context.sleep("f", 3))
        return [a, b, c.result(), d.result(), e, int(f is None)]

    broker = ScriptedBroker()
    served(broker, order)
    run = broker.trigger(URL, {"id": 4})
    await broker.drain()
    assert run.errors == []
    assert json.loads(run.result or "") == [2, 8, 10, 8, 2, 1]
    assert len(broker.deliveries) == 1 + 4 * 3


async def test_a_plain_function_can_be_a_workflow() -> None:
    def order(context: BlockingContext[Order]) -> int:
        try:
            one = context.run("add", add, context.request_payload.id, 1)
            context.sleep("nap", 1)
            two = context.run("double", double, one)
            many = context.parallel(context.pending.run("x", add, 1, 1), context.pending.run("y", add, 2, 2))
        except Exception as error:  # what ends a delivery must not be caught here
            raise AssertionError from error
        return two + sum(many)

    broker = ScriptedBroker()
    served(broker, order)
    run = broker.trigger(URL, {"id": 4})
    await broker.drain()
    assert run.errors == []
    assert run.result == "16"


async def test_a_failed_run_calls_its_failure_function() -> None:
    seen: list[Failure[Order]] = []

    def boom() -> None:
        raise NonRetryableError("no such card")

    async def order(context: Context[Order]) -> None:
        try:
            await context.run("charge", boom)
        except Exception as error:  # the error belongs to the broker first
            raise AssertionError from error

    broker = ScriptedBroker()
    served(broker, order, failure_function=seen.append)
    run = broker.trigger(URL, {"id": 4})
    await broker.drain()
    assert run.state == "RUN_FAILED"
    assert broker.deliveries == ["step wfr_test", "failure wfr_test"]
    assert (seen[0].error, seen[0].message) == ("NonRetryableError", "no such card")
    assert seen[0].request_payload == Order(4)
    assert run.errors[0]["status"] == 489


async def test_starlette_serves_a_workflow() -> None:
    async def order(context: Context[Order]) -> int:
        return await context.run("double", double, context.request_payload.id)

    broker = ScriptedBroker()
    app = Starlette()
    serve(app, "/wf/order", order, transport=broker.transport)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:

        async def answer(request: Request, url: str) -> Response:
            came = await client.request(request.method, url, headers=request.headers, content=request.body)
            return Response(came.status_code, list(came.headers.items()), came.content)

        broker.endpoints[URL] = answer
        response = await broker.post(URL, b'{"id": 3}', upstash_message_id="msg_publish")
        assert response.status == 200
        await broker.drain()
    (run,) = broker.runs.values()
    assert run.result == "6"
