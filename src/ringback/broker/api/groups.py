"""URL groups; on the wire they are called topics (protocol 2.9)."""

from msgspec import Struct

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import checked_name
from ringback.broker.operations import groups
from ringback.broker.records import Endpoint, UrlGroup
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_quotas
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.destination import as_requested, check_url
from ringback.wire.headers import lines_of, read_options, size_of
from ringback.wire.http import Response


class GivenEndpoint(Struct):
    """One endpoint as sent."""

    url: str = ""
    name: str | None = None


class Endpoints(Struct):
    """Body of an upsert or a removal."""

    endpoints: list[GivenEndpoint]


class Defaults(Struct):
    """Body of `PATCH`: headers that each publish to the group starts from."""

    headers: dict[str, str | list[str]]


def upsert_endpoints(call: Call) -> Answer:
    """Add or change endpoints of a URL group, which is made if need be."""
    name = checked_name("topic name", call.names["group"])
    endpoints = [_checked(number, one) for number, one in enumerate(call.json(Endpoints).endpoints)]
    if not endpoints:
        raise Refused(400, "invalid endpoints: expected at least one")

    def job(tx: Transaction, moment: Moment) -> Response:
        groups.upsert_endpoints(tx, call.tenant.name, name, endpoints, call.settings.limits, moment)
        return json_response(200, {})

    return call.desk.write(job)


def remove_endpoints(call: Call) -> Answer:
    """Remove endpoints from a URL group; each is told by name or URL."""
    given = [Endpoint(as_requested(one.url), one.name) for one in call.json(Endpoints).endpoints]

    def job(tx: Transaction, moment: Moment) -> Response:
        groups.remove_endpoints(tx, call.tenant.name, call.names["group"], given, moment)
        return json_response(200, {})

    return call.desk.write(job)


def set_defaults(call: Call) -> Answer:
    """Replace the default headers of a URL group."""
    lines = [(name.lower(), value) for name, value in lines_of(call.json(Defaults).headers)]
    size_of(lines)
    check_quotas(read_options(lines), b"", call.settings.limits, call.desk.clock())

    def job(tx: Transaction, moment: Moment) -> Response:
        groups.set_headers(tx, call.tenant.name, call.names["group"], tuple(lines), moment)
        return json_response(200, {})

    return call.desk.write(job)


def list_all(call: Call) -> Answer:
    """List the URL groups, as a bare array."""
    return call.desk.read(
        lambda tx: json_response(200, [_shape(one) for one in groups.list_groups(tx, call.tenant.name)])
    )


def get(call: Call) -> Answer:
    """Show a URL group."""
    return call.desk.read(
        lambda tx: json_response(200, _shape(groups.known(tx, call.tenant.name, call.names["group"])))
    )


def delete(call: Call) -> Answer:
    """Delete a URL group; also when there is none."""

    def job(tx: Transaction, _: Moment) -> Response:
        groups.delete_group(tx, call.tenant.name, call.names["group"])
        return json_response(200, {})

    return call.desk.write(job)


def _checked(number: int, given: GivenEndpoint) -> Endpoint:
    if not given.url:
        raise Refused(400, f"invalid endpoints[{number}].url: expected an http or https URL")
    url = check_url(f"endpoints[{number}].url", given.url)
    name = checked_name(f"endpoints[{number}].name", given.name) if given.name else None
    return Endpoint(url, name)


def _shape(group: UrlGroup) -> dict[str, object]:
    return {
        "name": group.name,
        "createdAt": group.created_at,
        "updatedAt": group.updated_at,
        "endpoints": [{"name": one.name, "url": one.url} if one.name else {"url": one.url} for one in group.endpoints],
    }
