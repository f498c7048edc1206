"""URL groups: named sets of endpoints (protocol 2.9)."""

from collections.abc import Sequence

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Endpoint, HeaderLines, UrlGroup
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused


def merged(known: Sequence[Endpoint], given: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return endpoints after an upsert: a known name gets the new URL, a known URL the new name, others are added."""
    result = list(known)
    for endpoint in given:
        by_name = [i for i, one in enumerate(result) if endpoint.name and one.name == endpoint.name]
        by_url = [i for i, one in enumerate(result) if one.url == endpoint.url]
        if by_name:
            result[by_name[0]] = endpoint
        elif by_url:
            result[by_url[0]] = endpoint
        else:
            result.append(endpoint)
    return tuple(result)


def without(known: Sequence[Endpoint], given: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return endpoints without those that are named by name or URL; unknown ones make no difference."""
    names = {one.name for one in given if one.name}
    urls = {one.url for one in given if one.url}
    return tuple(one for one in known if one.name not in names and one.url not in urls)


def upsert_endpoints(
    tx: Transaction, tenant: str, name: str, endpoints: Sequence[Endpoint], limits: Limits, moment: Moment
) -> None:
    """Add or change endpoints; the group is created if there is none.

    Raises:
        Refused: 412 above a quota.
    """
    group = tx.get(UrlGroup, tenant, name)
    if group is None:
        if limits.groups is not None and tx.count(UrlGroup, Where("tenant", "=", tenant)) >= limits.groups:
            raise Refused(412, f"quota maxTopics exceeded, current limit: {limits.groups}")
        group = UrlGroup(tenant, name, (), moment.now, moment.now)
    joined = merged(group.endpoints, endpoints)
    if len(joined) > limits.group_endpoints:
        raise Refused(412, f"quota maxEndpointsPerTopic exceeded, current limit: {limits.group_endpoints}")
    tx.apply(Changes(put=[replace(group, endpoints=joined, updated_at=moment.now)]))


def remove_endpoints(tx: Transaction, tenant: str, name: str, endpoints: Sequence[Endpoint], moment: Moment) -> None:
    """Remove endpoints; a group without any is removed too.

    Raises:
        Refused: 404 for an unknown group.
    """
    group = known(tx, tenant, name)
    left = without(group.endpoints, endpoints)
    if left:
        tx.apply(Changes(put=[replace(group, endpoints=left, updated_at=moment.now)]))
    else:
        tx.apply(Changes(drop=[group]))


def set_headers(tx: Transaction, tenant: str, name: str, headers: HeaderLines, moment: Moment) -> None:
    """Replace the default headers of a group."""
    group = known(tx, tenant, name)
    tx.apply(Changes(put=[replace(group, headers=headers, updated_at=moment.now)]))


def known(tx: Transaction, tenant: str, name: str) -> UrlGroup:
    """Return a group.

    Raises:
        Refused: 404 if there is none.
    """
    group = tx.get(UrlGroup, tenant, name)
    if group is None:
        raise Refused(404, f"topic {name} not found")
    return group


def list_groups(tx: Transaction, tenant: str) -> list[UrlGroup]:
    """Return all groups of a tenant by name."""
    return tx.find(UrlGroup, Query((Where("tenant", "=", tenant),), order=("name",), limit=100_000))


def delete_group(tx: Transaction, tenant: str, name: str) -> None:
    """Remove a group if there is one; messages that were accepted are not affected."""
    group = tx.get(UrlGroup, tenant, name)
    if group is not None:
        tx.apply(Changes(drop=[group]))
