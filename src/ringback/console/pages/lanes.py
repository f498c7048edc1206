"""Queues and flow-control keys: what may run at once, and what does."""

from ringback.client.calls import segment
from ringback.client.management import (
    delete_queue,
    events,
    flow_key,
    flow_keys,
    global_parallelism,
    pause_flow,
    pause_queue,
    pin_flow,
    queue,
    queues,
    reset_flow_rate,
    resume_flow,
    resume_queue,
    set_queue,
    unpin_flow,
)
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views.history import newest_of_each

_RECENT = 60
_SHOWN = 500


async def load_queues(visit: Visit) -> Values:
    """All queues."""
    found = await visit.ask(queues())
    return {"queues": found[:_SHOWN], "more": max(0, len(found) - _SHOWN)}


async def load_queue(visit: Visit) -> Values:
    """One queue, and what went through it lately."""
    name = visit.path["queue"]
    found = await visit.ask(queue(name))
    recent = await visit.ask(events({"queueName": name}, count=_RECENT))
    return {"queue": found, "events": newest_of_each(recent.items)[:20]}


async def save_queue(visit: Visit) -> Done:
    """Make or change a queue."""
    name = visit.one("name").strip()
    await visit.ask(set_queue(name, parallelism=visit.number("parallelism") or 1))
    return Done(f"The queue {name} delivers {visit.number('parallelism') or 1} at a time.", f"{ROOT}/queues")


async def pause(visit: Visit) -> Done:
    """Pause a queue."""
    await visit.ask(pause_queue(visit.path["queue"]))
    return Done("The queue is paused: what is in flight finishes, nothing else starts.", _queue(visit))


async def resume(visit: Visit) -> Done:
    """Resume a queue."""
    await visit.ask(resume_queue(visit.path["queue"]))
    return Done("The queue goes on.", _queue(visit))


async def remove(visit: Visit) -> Done:
    """Delete a queue."""
    await visit.ask(delete_queue(visit.path["queue"]))
    return Done(f"The queue {visit.path['queue']} and what waited in it are gone.", f"{ROOT}/queues")


def _queue(visit: Visit) -> str:
    return f"{ROOT}/queues/{segment(visit.path['queue'])}"


async def load_flows(visit: Visit) -> Values:
    """All flow-control keys, and how much the whole broker does."""
    search = visit.one("search")
    found = await visit.ask(flow_keys(search or None))
    total = await visit.ask(global_parallelism())
    return {"flows": found[:_SHOWN], "more": max(0, len(found) - _SHOWN), "search": search, "total": total}


async def load_flow(visit: Visit) -> Values:
    """One key, and what went through it lately."""
    key = visit.path["key"]
    found = await visit.ask(flow_key(key))
    recent = await visit.ask(events({"flowControlKey": key}, count=_RECENT))
    return {"flow": found, "events": newest_of_each(recent.items)[:20]}


async def pause_key(visit: Visit) -> Done:
    """Pause a key."""
    await visit.ask(pause_flow(visit.path["key"]))
    return Done("The key is paused: nothing starts under it.", _flow(visit))


async def resume_key(visit: Visit) -> Done:
    """Resume a key."""
    await visit.ask(resume_flow(visit.path["key"]))
    return Done("The key goes on.", _flow(visit))


async def pin(visit: Visit) -> Done:
    """Hold limits against what messages ask for."""
    parallelism, rate, period = (visit.number(name) for name in ("parallelism", "rate", "period"))
    await visit.ask(pin_flow(visit.path["key"], parallelism=parallelism, rate=rate, period=period if rate else None))
    return Done("The limits are pinned: messages no longer change them.", _flow(visit))


async def unpin(visit: Visit) -> Done:
    """Let messages set the limits again."""
    await visit.ask(unpin_flow(visit.path["key"]))
    return Done("The limits are those of the next message.", _flow(visit))


async def reset(visit: Visit) -> Done:
    """Begin a new window."""
    await visit.ask(reset_flow_rate(visit.path["key"]))
    return Done("A new period has begun.", _flow(visit))


def _flow(visit: Visit) -> str:
    return f"{ROOT}/flow/{segment(visit.path['key'])}"


SECTION = Section(
    (
        Screen("/queues", "queues.html", load_queues, "Queues", "Manage", live=True),
        Screen("/queues/{queue}", "queue.html", load_queue, "Queue", live=True),
        Screen("/flow", "flows.html", load_flows, "Flow control", "Manage", live=True),
        Screen("/flow/{key:path}", "flow.html", load_flow, "Flow-control key", live=True),
    ),
    (
        Deed("/queues", save_queue),
        Deed("/queues/{queue}/pause", pause),
        Deed("/queues/{queue}/resume", resume),
        Deed("/queues/{queue}/delete", remove),
        Deed("/flow/{key:path}/pause", pause_key),
        Deed("/flow/{key:path}/resume", resume_key),
        Deed("/flow/{key:path}/pin", pin),
        Deed("/flow/{key:path}/unpin", unpin),
        Deed("/flow/{key:path}/reset", reset),
    ),
)
