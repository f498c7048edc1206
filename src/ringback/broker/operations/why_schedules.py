"""Gathering what is needed to say why schedules make no message."""

from ringback.broker.records import Schedule, UrlGroup
from ringback.broker.rules.why import Cause
from ringback.broker.rules.why_schedule import makes_nothing, why_schedule
from ringback.broker.stores.contract import Query, Transaction, Where

_MOST_LOOKED_AT = 1000


def misses_group(tx: Transaction, schedule: Schedule) -> bool:
    """Tell whether a schedule publishes to a URL group that does not exist."""
    return schedule.is_group and tx.get(UrlGroup, schedule.tenant, schedule.destination) is None


def schedule_causes(tx: Transaction, schedule: Schedule) -> list[Cause]:
    """Return what a schedule waits for, and what is wrong with it."""
    return why_schedule(schedule, misses_group=misses_group(tx, schedule))


def fruitless(tx: Transaction, tenant: str) -> list[tuple[Schedule, list[Cause]]]:
    """Return the schedules of a tenant whose ticks make no message, and why."""
    query = Query((Where("tenant", "=", tenant),), order=("id",), limit=_MOST_LOOKED_AT)
    looked_at = [(one, makes_nothing(one, misses_group=misses_group(tx, one))) for one in tx.find(Schedule, query)]
    return [(one, causes) for one, causes in looked_at if causes]
