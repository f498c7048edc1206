"""Three steps after each other: a fresh delivery for each, and one in which the workflow returns."""

from dataclasses import dataclass

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


@dataclass
class Order:
    id: int
    amount: float


def load(order: Order) -> str:
    return f"order {order.id}"


async def charge(name: str, amount: float) -> str:
    return f"{name}: {amount:.2f}"


async def three_steps(context: Context[Order]) -> str:
    order = context.request_payload
    name = await context.run("load", load, order)
    receipt = await context.run("charge", charge, name, amount=order.amount)
    return await context.run("mail", lambda: f"sent {receipt}")


ENTRY = Entry(
    three_steps,
    payload={"id": 7, "amount": 2},
    result="sent order 7: 2.00",
    steps=("load", "charge", "mail"),
    deliveries=4,
)
