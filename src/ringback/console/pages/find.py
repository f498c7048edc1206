"""The search field: an id leads to what it names, anything else to the messages it may mean."""

import asyncio
from urllib.parse import urlencode

from ringback.client.calls import segment
from ringback.client.insight import runs
from ringback.client.management import events, flow_keys, queues, schedules, url_groups
from ringback.console.screens import Screen, Section, Values, Visit

_MOST = 20


async def load(visit: Visit) -> Values:
    """Look for what a word may name."""
    wanted = visit.one("q").strip()
    if wanted.startswith("msg_"):
        return {"found": [("Message", wanted, f"/messages/{segment(wanted)}")], "wanted": wanted}
    if wanted.startswith("wfr_"):
        return {"found": [("Run", wanted, f"/runs/{segment(wanted)}")], "wanted": wanted}
    return {"found": await _named(visit, wanted) if wanted else [], "wanted": wanted}


async def _named(visit: Visit, wanted: str) -> list[tuple[str, str, str]]:
    asks = (
        visit.ask(queues()),
        visit.ask(flow_keys(wanted)),
        visit.ask(schedules()),
        visit.ask(url_groups()),
    )
    all_queues, keys, all_schedules, groups = await asyncio.gather(*asks)
    small = wanted.lower()
    found = [
        *(("Queue", one["name"], f"/queues/{segment(one['name'])}") for one in all_queues),
        *(("Flow-control key", one["flowControlKey"], f"/flow/{segment(one['flowControlKey'])}") for one in keys),
        *(("Schedule", one["scheduleId"], f"/schedules/{segment(one['scheduleId'])}") for one in all_schedules),
        *(("URL group", one["name"], f"/groups/{segment(one['name'])}") for one in groups),
    ]
    named = [one for one in found if small in one[1].lower()][:_MOST]
    return [*named, *await _by_filters(visit, wanted)]


async def _by_filters(visit: Visit, wanted: str) -> list[tuple[str, str, str]]:
    """Filters of messages and runs that fit: the API knows whole URLs, hosts, paths and labels, all of them by an index."""
    if wanted.startswith(("http://", "https://")):
        names = [("URL", "url")]
    elif wanted.startswith("/"):
        names = [("Path", "path")]
    else:
        names = [("Label", "label"), ("Host", "host")]
    found = []
    for title, name in names:
        some = await visit.ask(events({name: wanted}, count=1))
        if some.items:
            found.append((f"Messages by {title}", wanted, f"/messages?{urlencode({name: wanted})}"))
        of_run = "workflowUrl" if name == "url" else name
        started = await visit.ask(runs({of_run: wanted, "trimBody": "-1"}, count=1))
        if started.items:
            found.append((f"Runs by {title}", wanted, f"/runs?{urlencode({of_run: wanted})}"))
    return found


SECTION = Section((Screen("/find", "find.html", load, "Search"),))
