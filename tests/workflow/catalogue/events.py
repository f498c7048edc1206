"""Waiting for events that do not come, side by side, and notifying of one that nobody waits for."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def events(context: Context[None]) -> list[object]:
    paid, shipped, _ = await context.parallel(
        context.wait_for_event("payment", "paid/7", timeout="1s"),
        context.wait_for_event("shipping", "shipped", timeout=1),
        context.run("ask", lambda: "asked"),
    )
    woken = await context.notify("nobody listens", "other", {"a": 1})
    return [paid.timed_out, paid.data, shipped.timed_out, woken.waiters]


ENTRY = Entry(
    events,
    result=[True, None, True, []],
    steps=("payment", "shipping", "ask", "nobody listens"),
    deliveries=8,
)
