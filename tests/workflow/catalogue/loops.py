"""Steps in loops and in helper functions, under names that repeat: their order is what counts."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def look(context: Context[int], n: int) -> bool:
    return await context.run("look", lambda: n >= context.request_payload)


async def loops(context: Context[int]) -> int:
    n = 0
    while not await look(context, n):
        await context.sleep("wait", 2**n)
        n += 1
    return n


ENTRY = Entry(loops, payload=1, result=1, steps=("look", "wait", "look"), deliveries=4)
