"""A change marker: runs that come here first take the new path."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def changed(context: Context[None]) -> list[str]:
    first = await context.run("first", lambda: "first")
    if await context.patched("mail the owner"):
        return [first, await context.run("mail", lambda: "mailed")]
    return [first]


ENTRY = Entry(changed, result=["first", "mailed"], steps=("first", "patched: mail the owner", "mail"), deliveries=4)
