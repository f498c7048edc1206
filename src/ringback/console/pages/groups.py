"""URL groups: one publish, many endpoints."""

from ringback.client.calls import segment
from ringback.client.management import (
    add_endpoints,
    delete_url_group,
    events,
    remove_endpoints,
    url_group,
    url_groups,
)
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views.history import newest_of_each

_SHOWN = 500


async def load_all(visit: Visit) -> Values:
    """All groups."""
    found = await visit.ask(url_groups())
    return {"groups": found[:_SHOWN], "more": max(0, len(found) - _SHOWN)}


async def load_one(visit: Visit) -> Values:
    """One group, and what was published to it lately."""
    name = visit.path["group"]
    found = await visit.ask(url_group(name))
    recent = await visit.ask(events({"topicName": name}, count=60))
    return {"url_group": found, "events": newest_of_each(recent.items)[:20]}


async def add(visit: Visit) -> Done:
    """Add an endpoint; the group is made if need be."""
    name, url, called = visit.one("group").strip(), visit.one("url").strip(), visit.one("name").strip()
    await visit.ask(add_endpoints(name, [{"url": url, **({"name": called} if called else {})}]))
    return Done(f"{url} belongs to {name}.", f"{ROOT}/groups/{segment(name)}")


async def remove(visit: Visit) -> Done:
    """Remove an endpoint."""
    name = visit.path["group"]
    await visit.ask(remove_endpoints(name, [{"url": visit.one("url")}]))
    return Done("The endpoint is removed; a group without endpoints is gone.", f"{ROOT}/groups")


async def delete(visit: Visit) -> Done:
    """Delete a group."""
    await visit.ask(delete_url_group(visit.path["group"]))
    return Done(f"The group {visit.path['group']} is gone.", f"{ROOT}/groups")


SECTION = Section(
    (
        Screen("/groups", "groups.html", load_all, "URL groups", "Manage"),
        Screen("/groups/{group}", "group.html", load_one, "URL group", live=True),
    ),
    (
        Deed("/groups", add),
        Deed("/groups/{group}/remove", remove),
        Deed("/groups/{group}/delete", delete),
    ),
)
