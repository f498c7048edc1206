"""Publishing and enqueueing: from a request to messages, one for each endpoint, duplicates found."""

from collections.abc import Sequence

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.daily import count_message
from ringback.broker.operations.publication import Publication, Published
from ringback.broker.operations.runs.ingest import ingest
from ringback.broker.records import ActiveRun, Dedup, Lane, UrlGroup
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import dedup_id, message_from
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Need, Transaction
from ringback.errors import Refused
from ringback.wire.headers import read_options
from ringback.wire.options import merged

BEGINS = "the address of an endpoint begins with http:// or https://"
"""What to say of a destination that was probably meant to be an address."""


def publish_needs(publications: Sequence[Publication]) -> list[Need]:
    """Return what accepting publications is going to ask for, as far as they tell."""
    needs: list[Need] = []
    for one in publications:
        tenant, options = one.tenant, one.options
        if options.flow_control is not None:
            needs.append((Lane, (tenant, "flow", options.flow_control.key)))
        if one.queue is not None:
            needs.append((Lane, (tenant, "queue", one.queue)))
        if options.workflow is not None:
            needs.append((ActiveRun, (tenant, options.workflow.run_id)))
        elif not one.is_group and (taken := dedup_id(options, one.destination, one.body)) is not None:
            needs.append((Dedup, (tenant, taken)))
    return needs


def publish(tx: Transaction, publication: Publication, limits: Limits, moment: Moment) -> list[Published]:
    """Accept a publication; one answer for each endpoint.

    Raises:
        Refused: 404 for an unknown URL group, 412 above a quota.
    """
    if publication.options.workflow is not None and publication.schedule is None:
        return [ingest(tx, publication, limits, moment)]
    if not publication.is_group:
        return [_publish_to(tx, publication, publication.destination, None, limits, moment)]
    group = tx.get(UrlGroup, publication.tenant, publication.destination)
    if group is None:
        raise Refused(404, f"topic {publication.destination} not found{_hint(publication.destination)}")
    if group.headers:
        defaults = read_options(group.headers)
        publication = replace(publication, options=merged(publication.options, defaults))
    return [_publish_to(tx, publication, endpoint.url, endpoint.name, limits, moment) for endpoint in group.endpoints]


def _publish_to(
    tx: Transaction, publication: Publication, url: str, endpoint: str | None, limits: Limits, moment: Moment
) -> Published:
    options = publication.options
    message = message_from(publication.tenant, url, options, publication.body, publication.caller_ip, limits, moment)
    if publication.is_group or publication.queue or publication.schedule:
        message = replace(
            message,
            group=publication.destination if publication.is_group else None,
            endpoint=endpoint,
            queue=publication.queue,
            schedule=publication.schedule,
        )
    taken = dedup_id(options, publication.destination, publication.body)
    if taken is not None and publication.schedule is None:
        key = f"{taken}\n{url}" if publication.is_group else taken
        known = tx.get(Dedup, publication.tenant, key)
        if known is not None and known.expires_at > moment.now:
            return Published(known.message, url, deduplicated=True)
        expires_at = moment.now + limits.dedup_window_ms
        tx.apply(Changes(put=[Dedup(publication.tenant, key, message.seq, expires_at)]))
    if publication.schedule is None:
        count_message(tx, publication.tenant, limits.messages_per_day, moment)
    accept(tx, message, moment)
    return Published(message.seq, url)


def _hint(destination: str) -> str:
    """Return what to say of the destination, if anything."""
    return f"; {BEGINS}" if set(destination) & set(":/") else ""
