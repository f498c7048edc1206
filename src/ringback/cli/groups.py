"""`ringback groups`: URL groups, one message to many endpoints."""

import click

from ringback.cli.listing import Listing
from ringback.cli.output import field
from ringback.cli.remote import Remote, remote
from ringback.client import management

_COLUMNS = (
    ("GROUP", field("name")),
    ("ENDPOINTS", lambda group: ", ".join(one.get("name") or one["url"] for one in group.get("endpoints") or ())),
)
_ENDPOINTS = (("NAME", field("name")), ("URL", field("url")))


@click.group(cls=Listing)
def groups() -> None:
    """Look at URL groups, make and change them."""


@groups.command("list")
@remote
def list_groups(told: Remote) -> None:
    """List the URL groups."""
    told.out.records(told.send(management.url_groups()), _COLUMNS, none="No URL groups.")


@groups.command("show")
@click.argument("group")
@remote
def show(told: Remote, group: str) -> None:
    """Show the endpoints of a URL group."""
    found = told.send(management.url_group(group))
    if told.out.as_json:
        told.out.record(found)
    else:
        told.out.records(found.get("endpoints") or [], _ENDPOINTS, none="No endpoints.")


@groups.command("add")
@click.argument("group")
@click.argument("urls", metavar="[NAME=]URL...", nargs=-1, required=True)
@remote
def add(told: Remote, group: str, urls: tuple[str, ...]) -> None:
    """Add endpoints to a URL group, which is made if need be."""
    endpoints = [_endpoint(text) for text in urls]
    told.send(management.add_endpoints(group, endpoints))
    told.out.done(f"{len(endpoints)} added to {group}", group=group, added=endpoints)


@groups.command("remove")
@click.argument("group")
@click.argument("endpoints", metavar="NAME|URL...", nargs=-1, required=True)
@remote
def remove(told: Remote, group: str, endpoints: tuple[str, ...]) -> None:
    """Remove endpoints from a URL group."""
    told.send(management.remove_endpoints(group, [{"url" if "://" in one else "name": one} for one in endpoints]))
    told.out.done(f"{len(endpoints)} removed from {group}", group=group, removed=list(endpoints))


@groups.command("delete")
@click.argument("group")
@remote
def delete(told: Remote, group: str) -> None:
    """Delete a URL group."""
    told.send(management.delete_url_group(group))
    told.out.done(f"group {group} is deleted", group=group, deleted=True)


def _endpoint(text: str) -> dict[str, str]:
    name, mark, url = text.partition("=")
    if mark and "://" not in name:
        return {"name": name, "url": url}
    return {"url": text}
