"""What type checkers must know of the workflow SDK; it is never run."""

import asyncio
from dataclasses import dataclass
from typing import Any, assert_type

from fastapi import FastAPI

from ringback.client import AsyncWorkflowClient, Page, Triggered, WorkflowClient
from ringback.workflow import (
    BlockingContext,
    Context,
    Event,
    Failure,
    Invoked,
    PendingStep,
    Response,
    Webhook,
    WebhookCall,
    charge_once,
    workflow,
)
from ringback.workflow.adapters.starlette import serve, serve_many


@dataclass
class Order:
    id: int


@dataclass
class Receipt:
    number: str


def load(order_id: int, *, fresh: bool = False) -> Order:
    return Order(order_id + fresh)


async def pay(order: Order) -> Receipt:
    return Receipt(str(order.id))


def send(key: str) -> Receipt:
    return Receipt(key)


async def ship(context: Context[Order]) -> int:
    assert_type(context.request_payload, Order)
    return await context.run("weigh", lambda: 7)


async def buy(context: Context[Order]) -> Receipt:
    order = await context.run("load", load, 7, fresh=True)
    assert_type(order, Order)
    receipt = await context.step(timeout="30s", retries=1).run("pay", pay, order)
    assert_type(receipt, Receipt)
    assert_type(context.run("pay", pay, order), PendingStep[Receipt])
    both = await context.parallel(context.run("load", load, 7), context.run("pay", pay, order))
    assert_type(both, tuple[Order, Receipt])
    first, second = await asyncio.gather(context.run("load", load, 7), context.sleep("nap", 1))
    assert_type(first, Order)
    assert_type(second, None)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(context.run("pay", pay, order))
    assert_type(task.result(), Receipt)
    assert_type(await context.call("ask", url="https://vendor.example"), Response)
    assert_type(await context.wait_for_event("wait", "event"), Event)
    hook = await context.create_webhook("hook")
    assert_type(hook, Webhook)
    assert_type(await context.wait_for_webhook("hooked", hook), WebhookCall)
    assert_type(await context.invoke("ship", ship, body={"id": 7}), Invoked[int])
    assert_type(await context.invoke("other", "other"), Invoked[Any])
    assert_type(await context.patched("marker"), bool)
    assert_type(await charge_once(context, "charge", send), Receipt)
    await context.run("wrong", load, "seven")  # type: ignore[call-overload]
    context.parallel(1)  # type: ignore[call-overload]
    return receipt


def buy_blocking(context: BlockingContext[Order]) -> Receipt:
    assert_type(context.request_payload, Order)
    order = context.run("load", load, 7)
    assert_type(order, Order)
    assert_type(context.run("pay", pay, order), Receipt)
    assert_type(context.workflow_run_id, str)
    context.sleep("nap", "10s")
    assert_type(context.wait_for_event("wait", "event"), Event)
    return Receipt("")


async def on_failure(failure: Failure[Order]) -> None:
    assert_type(failure.request_payload, Order | None)


app = FastAPI()
serve(app, "/buy", buy, failure_function=on_failure)
serve(app, "/buy-blocking", buy_blocking)
serve_many(app, "/wf", {"buy": workflow(buy, failure_function=on_failure), "ship": ship})
serve(app, "/wrong", buy, retries=3)  # type: ignore[call-arg]


def steer(client: WorkflowClient) -> None:
    assert_type(client.trigger(url="https://shop.example"), Triggered)
    assert_type(client.logs(count=5), Page)
    client.trigger(address="https://shop.example")  # type: ignore[call-arg]


async def steer_async(client: AsyncWorkflowClient) -> None:
    assert_type(await client.cancel("wfr_1"), int)
    assert_type(await client.resume("1-0"), list[str])
