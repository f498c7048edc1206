"""Invoking other workflows: their results and failures come back, and a failure of theirs is not ours."""

from dataclasses import dataclass

from ringback.workflow import Context, NonRetryableError
from workflow.catalogue.entry import Entry


@dataclass
class Parcel:
    weight: int


async def child(context: Context[int]) -> Parcel:
    return await context.run("weigh", Parcel, context.request_payload)


async def bad_child(context: Context[None]) -> None:
    raise NonRetryableError("no")


async def canceled_child(context: Context[None]) -> None:
    await context.run("begin", lambda: 1)
    await context.cancel()


async def parent(context: Context[None]) -> list[object]:
    good = await context.invoke("good", child, body=7)
    bad, canceled = await context.parallel(
        context.invoke("bad", "bad_child"),
        context.invoke("canceled", "canceled_child"),
    )
    assert good.body is not None
    return [good.body.weight, bad.failed, bad.body, canceled.canceled]


ENTRY = Entry(
    parent,
    result=[7, True, None, True],
    steps=("good", "bad", "canceled"),
    deliveries=12,
    siblings={"child": child, "bad_child": bad_child, "canceled_child": canceled_child},
)
