"""A webhook: an address for a third party, and a wait for its request."""

from ringback.workflow import Context
from workflow.catalogue.entry import Entry


async def webhooks(context: Context[None]) -> list[object]:
    hook = await context.create_webhook("make")
    call = await context.wait_for_webhook("wait", hook, timeout="1s")
    return [hook.url.startswith("http"), hook.url.endswith(hook.event_id), call.timed_out, call.request]


ENTRY = Entry(webhooks, result=[True, True, True, None], steps=("make", "wait"), deliveries=3)
