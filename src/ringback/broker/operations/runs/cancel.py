"""Canceling runs and finishing them from outside (workflow protocol 3.2)."""

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
    tx: Transaction, tenant: str, run_id: str, wish: Wish, result: str | None, limits: Limits, moment: Moment
) -> None:
    """End a run as its endpoint or its owner wishes; what has ended already stays as it is.

    Raises:
        Refused: 404 for an unknown run, and for one that has ended where only an active one can be meant.
    """
    active = tx.get(ActiveRun, tenant, run_id)
    run = None if active is None else tx.get(Run, active.run)
    if run is None:
        if wish == "cancel if active" or latest_run(tx, tenant, run_id) is None:
            raise Refused(404, f"workflow run {run_id} not found")
        return
    if wish == "finish":
        end_run(tx, run, "RUN_SUCCESS", limits, moment, result=result)
    else:
        end_run(tx, run, "RUN_CANCELED", limits, moment)


def cancel_runs(
    tx: Transaction, tenant: str, filter_: Filter, urls: list[Where], limits: Limits, moment: Moment
) -> int:
    """Cancel the active runs a filter chooses, at most `count`; return how many there were."""
    if filter_.ids is not None:
        found = [run for run_id in dict.fromkeys(filter_.ids) if (run := _active(tx, tenant, run_id))]
    else:
        where = [
            Where("tenant", "=", tenant),
            Where("state", "=", "RUN_STARTED"),
            *within_dates(filter_, "seq"),
            *of_runs(filter_),
            *urls,
        ]
        asked = tx.find(Run, Query(tuple(where), order=("seq",), limit=max(1, filter_.count or 100)))
        tx.load((Run, (run.seq,)) for run in asked)
        found = [run for one in asked if (run := tx.get(Run, one.seq)) and run.state == "RUN_STARTED"]
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


def _active(tx: Transaction, tenant: str, run_id: str) -> Run | None:
    active = tx.get(ActiveRun, tenant, run_id)
    return None if active is None else tx.get(Run, active.run)
