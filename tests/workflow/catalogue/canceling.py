"""A run that cancels itself: nothing after it happens."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def canceling(context: Context[None]) -> str:
    await context.run("begin", lambda: 1)
    await context.cancel()
    return await context.run("never", lambda: "never")


ENTRY = Entry(canceling, steps=("begin",), deliveries=2, state="RUN_CANCELED")
