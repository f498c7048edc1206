"""Returning early, before any step or between two: that is simply the end of the run."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def early_return(context: Context[str]) -> str:
    if context.request_payload == "never":
        return "nothing to do"
    kind = await context.run("classify", lambda: "small")
    if kind == "small":
        return "done early"
    return await context.run("not reached", lambda: "late")


ENTRY = Entry(early_return, payload="now", result="done early", steps=("classify",), deliveries=2)
