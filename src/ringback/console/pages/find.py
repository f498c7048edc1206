"""The search field: an id leads to what it names, anything else to what is called so."""

import asyncio
import re
from contextlib import suppress
from urllib.parse import urlencode

from ringback.client.calls import segment
from ringback.client.insight import failed_run
from ringback.client.management import dead_letter, flow_keys, queues, schedules, url_groups
from ringback.console.screens import Screen, Section, Values, Visit
from ringback.errors import Refused

_MOST = 20
_DEAD_LETTER = re.compile(r"[0-9]{13}-[0-9]{1,10}")


async def load(visit: Visit) -> Values:
    """Look for what a word may name."""
    wanted = visit.one("q").strip()
    if wanted.startswith("msg_"):
        return {"found": [("Message", wanted, f"/messages/{segment(wanted)}")], "offers": [], "wanted": wanted}
    if wanted.startswith("wfr_"):
        return {"found": [("Run", wanted, f"/runs/{segment(wanted)}")], "offers": [], "wanted": wanted}
    if _DEAD_LETTER.fullmatch(wanted) and (found := await _dead_letter(visit, wanted)):
        return {"found": found, "offers": [], "wanted": wanted}
    if not wanted:
        return {"found": [], "offers": [], "wanted": ""}
    return {"found": await _named(visit, wanted), "offers": _filters(wanted), "wanted": wanted}


async def _dead_letter(visit: Visit, id_: str) -> list[tuple[str, str, str]]:
    """Return the run or the message that a dead letter is of."""
    with suppress(Refused):
        run = str((await visit.ask(failed_run(id_)))["workflowRunId"])
        return [("Run of this dead letter", run, f"/runs/{segment(run)}")]
    with suppress(Refused):
        message = str((await visit.ask(dead_letter(id_)))["messageId"])
        return [("Message of this dead letter", message, f"/messages/{segment(message)}")]
    return []


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
    return [one for one in found if small in one[1].lower()][:_MOST]


def _filters(wanted: str) -> list[tuple[str, str]]:
    """Return the lists that may hold it, each with the address: filters know whole URLs, paths, hosts and labels."""
    if wanted.startswith(("http://", "https://")):
        names = [("URL", "url", "workflowUrl")]
    elif wanted.startswith("/"):
        names = [("path", "path", "path")]
    else:
        names = [("label", "label", "label"), ("host", "host", "host")]
    run = [] if "/" in wanted else [("The run with this id", f"/runs?{urlencode({'workflowRunId': wanted})}")]
    return [
        offer
        for title, of_message, of_run in names
        for offer in (
            (f"Messages with this {title}", f"/messages?{urlencode({of_message: wanted})}"),
            (f"Runs with this {title}", f"/runs?{urlencode({of_run: wanted})}"),
        )
    ] + run


SECTION = Section((Screen("/find", "find.html", load, "Search"),))
