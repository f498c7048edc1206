"""Waiting for an event that comes, and for one that does not."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def events(context: Context[None]) -> list[object]:
    paid, _ = await context.parallel(
        context.wait_for_event("payment", "paid/7", timeout="1s"),
        context.run("ask", lambda: "asked"),
    )
    woken = await context.notify("nobody listens", "other", {"a": 1})
    never = await context.wait_for_event("never", "never", timeout="1s")
    return [paid.timed_out, woken.waiters, never.timed_out, never.data]


ENTRY = Entry(
    events,
    result=[True, [], True, None],
    steps=("payment", "ask", "nobody listens", "never"),
    deliveries=7,
)
