"""Dead letters of runs: found and deleted (workflow protocol 3.5)."""

from ringback.broker.operations.dead_letters import MOST, Page
from ringback.broker.operations.runs.cancel import of_runs
from ringback.broker.operations.selection import beyond_cursor, positions, within_dates
from ringback.broker.records import DeadLetter, Run
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.filters import Filter

_LOOKED_AT = 1000


def find(tx: Transaction, tenant: str, filter_: Filter) -> Page:
    """Return a page of the dead letters of runs, oldest first unless asked otherwise."""
    count = min(MOST if filter_.count is None else max(1, filter_.count), MOST)
    where = [Where("tenant", "=", tenant), Where("run", ">", 0)]
    if filter_.ids is not None:
        where.append(Where("pos", "in", positions(filter_.ids)))
        return Page(tx.find(DeadLetter, Query(tuple(where), order=("pos",), limit=_LOOKED_AT)))
    descending = bool(filter_.latest_first)
    where += within_dates(filter_, "pos") + beyond_cursor(filter_, descending=descending)
    if filter_.urls:
        where.append(Where("message.url", "in", filter_.urls))
    if filter_.statuses:
        where.append(Where("status", "in", filter_.statuses))
    if not _asks_of_run(filter_):
        found = tx.find(DeadLetter, Query(tuple(where), order=("pos",), descending=descending, limit=count + 1))
        return Page.of(found, count)
    return _of_matching_runs(tx, filter_, where, count, descending=descending)


def _of_matching_runs(tx: Transaction, filter_: Filter, where: list[Where], count: int, *, descending: bool) -> Page:
    """Walk the letters until a page of those is full whose runs match."""
    kept: list[DeadLetter] = []
    after: list[Where] = []
    while True:
        query = Query((*where, *after), order=("pos",), descending=descending, limit=_LOOKED_AT)
        found = tx.find(DeadLetter, query)
        for letter in found:
            run = tx.get(Run, letter.run)
            if run is not None and _matches(tx, run, filter_):
                kept.append(letter)
                if len(kept) > count:
                    return Page.of(kept, count)
        if len(found) < _LOOKED_AT:
            return Page(kept)
        after = [Where("pos", "<" if descending else ">", found[-1].pos)]


def _asks_of_run(filter_: Filter) -> bool:
    return bool(
        filter_.run_urls
        or filter_.run_id
        or filter_.run_created_at is not None
        or filter_.failure_states
        or of_runs(filter_)
    )


def _matches(tx: Transaction, run: Run, filter_: Filter) -> bool:
    if filter_.run_urls and run.url not in filter_.run_urls:
        return False
    if filter_.run_id and run.run_id != filter_.run_id:
        return False
    if filter_.run_created_at is not None and run.created_at != filter_.run_created_at:
        return False
    if filter_.failure_states and (run.failure is None or run.failure.state not in filter_.failure_states):
        return False
    conditions = of_runs(filter_)
    return not conditions or tx.count(Run, Where("seq", "=", run.seq), *conditions) > 0
