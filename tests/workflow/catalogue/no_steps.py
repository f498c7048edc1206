"""No step at all: the run ends with its first delivery."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def no_steps(context: Context[dict[str, int]]) -> int:
    return context.request_payload["n"] * 2


ENTRY = Entry(no_steps, payload={"n": 4}, result=8)
