"""Starting, canceling and watching runs (protocol workflow 1.3, 3.2, 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ringback.client.calls import Call, array, batch, record
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
        body: its payload: text as it is, anything else as JSON.
        workflow_run_id: id without `wfr_`; while a run with this id goes on, no second one is started.
        options: how its deliveries are made.
    """

    url: str
    body: object = None
    workflow_run_id: str | None = None
    options: RunOptions = _DEFAULTS


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant; every field that is given must fit.

    Attributes:
        workflow_url, workflow_url_starting_with: where they are served; one of the two.
        labels: they have at least one of these.
        from_date, to_date: when they were created.
        caller_ip, flow_control_key: who started them, under which key they are delivered.
    """

    workflow_url: str | None = None
    workflow_url_starting_with: str | None = None
    labels: Sequence[str] = ()
    from_date: datetime | None = None
    to_date: datetime | None = None
    caller_ip: str | None = None
    flow_control_key: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a long list.

    Attributes:
        items: records with the fields of the protocol (workflow 3.5, 6).
        cursor: give it to the next call; None after the last page.
    """

    items: list[dict[str, Any]]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which runs a log shows; every field that is given must fit.

    Attributes:
        workflow_run_id, workflow_url, labels, from_date, to_date: of the runs.
        state: `RUN_STARTED`, `RUN_SUCCESS`, `RUN_FAILED` or `RUN_CANCELED`.
    """

    workflow_run_id: str | None = None
    workflow_url: str | None = None
    state: str | None = None
    labels: Sequence[str] = ()
    from_date: datetime | None = None
    to_date: datetime | None = None


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
        body: its payload: text as it is, anything else as JSON.
        workflow_run_id: id without `wfr_`; while a run with this id goes on, no second one is started.
        options: how its deliveries are made.
    """
    many = trigger_many([Start(url, body, workflow_run_id, options)])
    return Call(many.method, many.path, lambda answer: many.parse(answer)[0], headers=many.headers, body=many.body)


def trigger_many(starts: Sequence[Start]) -> Call[list[Triggered]]:
    """Start several runs, all or none.

    Raises:
        ValueError: there is none.
    """
    if not starts:
        raise ValueError("trigger_many needs at least one run to start")
    items = [start(RunRef(new_run_id(one.workflow_run_id), one.url), _text(one.body), one.options) for one in starts]
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
    query = filter_query(runs)
    if not query:
        raise ValueError("the filter is empty; to cancel all runs, call cancel_all()")
    return _cancel((*query, ("count", str(count))))


def cancel_all(*, count: int = 100) -> Call[int]:
    """Cancel all runs, at most `count` in one call; says how many. Repeat it until it says 0."""
    return _cancel((("count", str(count)),))


def logs(only: LogFilter | None = None, *, cursor: str | None = None, count: int | None = None) -> Call[Page]:
    """List runs with their steps, newest first; ten at most on a page."""
    only = only or LogFilter()
    query = [
        ("groupBy", "workflowRunId"),
        *_given(
            workflowRunId=only.workflow_run_id,
            workflowUrl=only.workflow_url,
            state=only.state,
            fromDate=_ms(only.from_date),
            toDate=_ms(only.to_date),
            cursor=cursor,
            count=None if count is None else str(count),
        ),
        *(("label", label) for label in only.labels),
    ]
    return Call("GET", "/v2/workflows/events", lambda answer: page(answer, "runs"), tuple(query))


def page(answer: bytes, name: str) -> Page:
    """Read a page whose items stand under `name`."""
    value = record(answer)
    return Page(array(dump(value.get(name, [])).encode()), value.get("cursor") or None)


def filter_query(runs: RunFilter) -> tuple[tuple[str, str], ...]:
    """Return a filter as query parameters.

    Raises:
        ValueError: two fields exclude each other.
    """
    if runs.workflow_url and runs.workflow_url_starting_with:
        raise ValueError("give workflow_url or workflow_url_starting_with, not both")
    exact = "true" if runs.workflow_url else None
    return (
        *_given(
            workflowUrl=runs.workflow_url or runs.workflow_url_starting_with,
            workflowUrlExactMatch=exact,
            fromDate=_ms(runs.from_date),
            toDate=_ms(runs.to_date),
            callerIp=runs.caller_ip,
            flowControlKey=runs.flow_control_key,
        ),
        *(("label", label) for label in runs.labels),
    )


def _cancel(query: tuple[tuple[str, str], ...]) -> Call[int]:
    return Call("DELETE", "/v2/workflows/runs", lambda answer: int(record(answer).get("cancelled", 0)), query)


def _given(**parameters: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in parameters.items() if value is not None]


def _ms(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} needs a time zone")
    return str(round(moment.timestamp() * 1000))


def _text(body: object) -> str | None:
    return body if body is None or isinstance(body, str) else dump(body)
