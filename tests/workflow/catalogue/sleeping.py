"""Sleeping between steps: no request is held open, and nothing runs meanwhile."""

from datetime import UTC, datetime, timedelta

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def sleeping(context: Context[None]) -> str:
    first = await context.run("first", lambda: "a")
    await context.sleep("a minute", timedelta(minutes=1))
    await context.sleep_until("past", datetime(2020, 1, 1, tzinfo=UTC))
    await context.sleep("a while", "1h30m")
    return first + await context.run("last", lambda: "z")


ENTRY = Entry(sleeping, result="az", steps=("first", "a minute", "past", "a while", "last"), deliveries=6, is_long=True)
