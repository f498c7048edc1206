"""`try`, `finally` and context managers around steps: the end of a delivery passes through them all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ringback.workflow import Context, StepFailed
from workflow.catalogue.entry import Entry


class CardDeclined(Exception):
    """The bank said no."""


def charge() -> str:
    raise CardDeclined("insufficient funds")


@asynccontextmanager
async def connection() -> AsyncIterator[list[str]]:
    opened = ["open"]
    yield opened
    opened.clear()


async def guarded(context: Context[None]) -> list[str]:
    async with connection() as opened:
        state = await context.run("uses what is open", lambda: opened[0])
    with suppress(ValueError):
        state = await context.run("suppressing", lambda: state)
    try:
        await context.step(raises=CardDeclined).run("charge", charge)
    except StepFailed as error:
        kind = await context.run("fall back", str, error.error)
    finally:
        last = await context.run("clean up", lambda: "clean")
    return [state, kind, last]


ENTRY = Entry(
    guarded,
    result=["open", "CardDeclined", "clean"],
    steps=("uses what is open", "suppressing", "charge", "fall back", "clean up"),
    deliveries=6,
)
