"""Parallel steps with gather, a task group and `context.parallel`, with steps of every kind in the groups."""

import asyncio

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def resize(width: int) -> str:
    return f"{width}px"


async def resized_and_checked(context: Context[None], width: int) -> str:
    size = await context.run(f"resize {width}", resize, width)
    return await context.run(f"check {width}", lambda: f"{size} ok")


async def side_by_side(context: Context[None]) -> list[str]:
    small, large = await asyncio.gather(resized_and_checked(context, 100), resized_and_checked(context, 900))
    async with asyncio.TaskGroup() as group:
        left = group.create_task(context.run("left", resize, 1))
        right = group.create_task(context.run("right", resize, 2))
    pause, again = await context.parallel(context.sleep("pause", 1), context.run("again", resize, 3))
    return [small, large, left.result(), right.result(), again, str(pause)]


ENTRY = Entry(
    side_by_side,
    result=["100px ok", "900px ok", "1px", "2px", "3px", "None"],
    steps=("resize 100", "resize 900", "check 100", "check 900", "left", "right", "pause", "again"),
    deliveries=1 + 4 * 4,
)
