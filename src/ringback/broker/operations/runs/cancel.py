"""Canceling runs and finishing them from outside (workflow protocol 3.2)."""

from collections.abc import Sequence
from typing import Literal

from ringback.broker.operations.runs.end import end_run
from ringback.broker.operations.selection import within_dates
from ringback.broker.records import ActiveRun, Run
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.filters import Filter

Wish = Literal["finish", "cancel", "cancel if active"]


def end_by_id(
    tx: Transaction,
    tenant: str,
    run_id: str,
    wish: Wish,
    result: str | None,
    limits: Limits,
    moment: Moment,
    *,
    created_at: int | None = None,
) -> None:
    """End a run as its endpoint or its owner wishes; what has ended already stays as it is.

    Where it is said when the run was created, another one that has its id by now is left alone.

    Raises:
        Refused: 404 for an unknown run, and for one that has ended where only an active one can be meant.
    """
    active = tx.get(ActiveRun, tenant, run_id)
    run = None if active is None else tx.get(Run, active.run)
    if run is None or (created_at is not None and created_at != run.created_at):
        if wish == "cancel if active" or latest_run(tx, tenant, run_id) is None:
            raise Refused(404, f"workflow run {run_id} not found")
        return
    if wish == "finish":
        end_run(tx, run, "RUN_SUCCESS", limits, moment, result=result)
    else:
        end_run(tx, run, "RUN_CANCELED", limits, moment)


def active_runs(tx: Transaction, tenant: str, ids: Sequence[str]) -> list[Run]:
    """Return the active runs that ids stand for."""
    active = [found for run_id in dict.fromkeys(ids) if (found := tx.get(ActiveRun, tenant, run_id))]
    return [run for one in active if (run := tx.get(Run, one.run))]


def chosen_runs(tenant: str, filter_: Filter, *, exact: bool) -> tuple[Where, ...]:
    """Return the conditions on the active runs that a filter chooses; `exact` says whether URLs are meant whole."""
    urls = [Where("url", "in" if exact else "prefix", filter_.run_urls)] if filter_.run_urls else []
    mine = (Where("tenant", "=", tenant), Where("state", "=", "RUN_STARTED"))
    return (*mine, *within_dates(filter_, "seq"), *of_runs(filter_), *urls)


def cancel_runs(tx: Transaction, numbers: Sequence[int], limits: Limits, moment: Moment) -> int:
    """Cancel runs by their numbers; return how many were active."""
    tx.load((Run, (seq,)) for seq in numbers)
    found = [run for seq in numbers if (run := tx.get(Run, seq)) and run.state == "RUN_STARTED"]
    for run in found:
        end_run(tx, run, "RUN_CANCELED", limits, moment)
    return len(found)


def latest_run(tx: Transaction, tenant: str, run_id: str) -> Run | None:
    """Return the newest run that had an id, active or ended."""
    where = (Where("run_id", "=", run_id), Where("tenant", "=", tenant))
    found = tx.find(Run, Query(where, order=("seq",), descending=True, limit=1))
    return found[0] if found else None


def of_runs(filter_: Filter) -> list[Where]:
    """Return the conditions on runs that a filter makes."""
    where = [
        Where(column, "in", values)
        for column, values in (
            ("host", filter_.hosts),
            ("path", filter_.paths),
            ("flow_key", filter_.flow_keys),
            ("caller_ip", filter_.caller_ips),
        )
        if values
    ]
    if filter_.labels:
        where.append(Where("labels", "contains", filter_.labels))
    return where
