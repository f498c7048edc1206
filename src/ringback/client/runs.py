"""Starting, canceling and watching runs (protocol workflow 1.3, 3.2, 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ringback.client.addresses import check_address
from ringback.client.bodies import text_of
from ringback.client.calls import Call, Query, array, batch, record
from ringback.client.filters import LogFilter, RunFilter, log_query, run_query
from ringback.client.ids import run_id as new_run_id
from ringback.client.messages import RunRef, start
from ringback.client.options import RunOptions
from ringback.wire.steps import dump

_DEFAULTS = RunOptions()


@dataclass(frozen=True, slots=True)
class Triggered:
    """A run that was started; `deduplicated` when one with this id was running already."""

    workflow_run_id: str
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A run to be started.

    Attributes:
        url: the workflow's URL.
        body: its payload: text as it is, anything else as JSON (dataclasses and pydantic models, too).
        workflow_run_id: id without `wfr_`; while a run with this id goes on, no second one is started.
        options: how its deliveries are made.
    """

    url: str
    body: object = None
    workflow_run_id: str | None = None
    options: RunOptions = _DEFAULTS


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a long list.

    Attributes:
        items: records with the fields of the protocol (workflow 3.5, 6).
        cursor: give it to the next call; None after the last page.
    """

    items: list[dict[str, Any]]
    cursor: str | None = None


def trigger(
    *,
    url: str,
    body: object = None,
    workflow_run_id: str | None = None,
    options: RunOptions = _DEFAULTS,
) -> Call[Triggered]:
    """Start a run.

    Args:
        url: the workflow's URL.
        body: its payload: text as it is, anything else as JSON (dataclasses and pydantic models, too).
        workflow_run_id: id without `wfr_`; while a run with this id goes on, no second one is started.
        options: how its deliveries are made.
    """
    many = trigger_many([Start(url, body, workflow_run_id, options)])
    return Call(many.method, many.path, lambda answer: many.parse(answer)[0], headers=many.headers, body=many.body)


def trigger_many(starts: Sequence[Start]) -> Call[list[Triggered]]:
    """Start several runs, all or none.

    Raises:
        ValueError: there is none, or a URL has no scheme.
    """
    if not starts:
        raise ValueError("trigger_many needs at least one run to start")
    for one in starts:
        check_address(one.url, "the url of a workflow")
    items = [
        start(RunRef(new_run_id(one.workflow_run_id), one.url), text_of(one.body, "body"), one.options)
        for one in starts
    ]
    ids = [item.headers["Upstash-Workflow-RunId"] for item in items]
    call = batch(items)

    def parse(answer: bytes) -> list[Triggered]:
        said = call.parse(answer)
        return [Triggered(id_, bool(one.get("deduplicated"))) for id_, one in zip(ids, said, strict=True)]

    return Call(call.method, call.path, parse, headers=call.headers, body=call.body)


def cancel(*workflow_run_ids: str) -> Call[int]:
    """Cancel runs by their ids; says how many were running.

    Raises:
        ValueError: there is no id; `cancel_all()` cancels all runs.
    """
    if not workflow_run_ids:
        raise ValueError("cancel needs a run id; to cancel all runs, call cancel_all()")
    return _cancel(tuple(("workflowRunIds", id_) for id_ in workflow_run_ids))


def cancel_where(runs: RunFilter, *, count: int = 100) -> Call[int]:
    """Cancel the runs that fit, at most `count` of them; says how many. Repeat it until it says 0.

    Raises:
        ValueError: the filter is empty; `cancel_all()` cancels all runs.
    """
    query = run_query(runs)
    if not query:
        raise ValueError("the filter is empty; to cancel all runs, call cancel_all()")
    return _cancel((*query, ("count", str(count))))


def cancel_all(*, count: int = 100) -> Call[int]:
    """Cancel all runs, at most `count` in one call; says how many. Repeat it until it says 0."""
    return _cancel((("count", str(count)),))


def logs(only: LogFilter | None = None, *, cursor: str | None = None, count: int | None = None) -> Call[Page]:
    """List runs with their steps, newest first; ten at most on a page."""
    query = [("groupBy", "workflowRunId"), *log_query(only or LogFilter())]
    if cursor is not None:
        query.append(("cursor", cursor))
    if count is not None:
        query.append(("count", str(count)))
    return Call("GET", "/v2/workflows/events", lambda answer: page(answer, "runs"), tuple(query))


def page(answer: bytes, name: str) -> Page:
    """Read a page whose items stand under `name`."""
    value = record(answer)
    return Page(array(dump(value.get(name, [])).encode()), value.get("cursor") or None)


def _cancel(query: Query) -> Call[int]:
    return Call("DELETE", "/v2/workflows/runs", lambda answer: int(record(answer).get("cancelled", 0)), query)
