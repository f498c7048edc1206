"""Which runs are meant: the client's filters, and the query parameters that say them (protocol workflow 3.2, 3.4, 3.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ringback.client.calls import Query
from ringback.client.options import Many, each


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant; every field that is given must fit, and of several values of a field one.

    Attributes:
        workflow_url, workflow_url_starting_with: where they are served; one of the two.
        host, path: parts of that address.
        labels: they have at least one of these.
        from_date, to_date: when they were created.
        caller_ip, flow_control_key: who started them, under which key they are delivered.
    """

    workflow_url: Many | None = None
    workflow_url_starting_with: Many | None = None
    labels: Many = ()
    from_date: datetime | None = None
    to_date: datetime | None = None
    caller_ip: Many | None = None
    flow_control_key: Many | None = None
    host: Many | None = None
    path: Many | None = None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which runs a log shows; every field that is given must fit.

    Attributes:
        workflow_run_id, workflow_created_at: a run; an id can be used again, then the time of creation (milliseconds
            since the epoch) tells them apart.
        workflow_url, host, path, labels, from_date, to_date, caller_ip, flow_control_key: see `RunFilter`.
        message_id: a message of the run.
        state: `RUN_STARTED`, `RUN_SUCCESS`, `RUN_FAILED` or `RUN_CANCELED`.
    """

    workflow_run_id: str | None = None
    workflow_url: Many | None = None
    state: str | None = None
    labels: Many = ()
    from_date: datetime | None = None
    to_date: datetime | None = None
    workflow_created_at: int | None = None
    message_id: str | None = None
    caller_ip: Many | None = None
    flow_control_key: Many | None = None
    host: Many | None = None
    path: Many | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which failed runs are meant; every field that is given must fit.

    Attributes:
        workflow_url, workflow_run_id, workflow_created_at, labels, caller_ip, flow_control_key: see `LogFilter`.
        from_date, to_date: when they failed.
        failure_function_state: `CALLBACK_INPROGRESS`, `CALLBACK_SUCCESS`, `CALLBACK_FAIL` or `CALLBACK_CANCELED`.
    """

    workflow_url: Many | None = None
    workflow_run_id: str | None = None
    workflow_created_at: int | None = None
    labels: Many = ()
    from_date: datetime | None = None
    to_date: datetime | None = None
    caller_ip: Many | None = None
    flow_control_key: Many | None = None
    failure_function_state: str | None = None


def run_query(runs: RunFilter) -> Query:
    """Return a filter of runs as query parameters.

    Raises:
        ValueError: two fields exclude each other, or one is an empty list.
    """
    if runs.workflow_url and runs.workflow_url_starting_with:
        raise ValueError("give workflow_url or workflow_url_starting_with, not both")
    return (
        *_each(workflowUrl=runs.workflow_url),
        *_each(workflowUrlExactMatch="true" if runs.workflow_url else None),
        *_each(workflowUrl=runs.workflow_url_starting_with),
        *_each(host=runs.host, path=runs.path),
        *_about(runs),
    )


def log_query(only: LogFilter) -> Query:
    """Return a filter of a log as query parameters.

    Raises:
        ValueError: a field is an empty list, a date has no time zone.
    """
    return (
        *_each(workflowRunId=only.workflow_run_id, workflowCreatedAt=_number(only.workflow_created_at)),
        *_each(workflowUrl=only.workflow_url, state=only.state, messageId=only.message_id),
        *_each(host=only.host, path=only.path),
        *_about(only),
    )


def letter_query(only: DeadLetterFilter) -> Query:
    """Return a filter of dead letters as query parameters.

    Raises:
        ValueError: a field is an empty list, a date has no time zone.
    """
    return (
        *_each(workflowRunId=only.workflow_run_id, workflowCreatedAt=_number(only.workflow_created_at)),
        *_each(workflowUrl=only.workflow_url, failureFunctionState=only.failure_function_state),
        *_about(only),
    )


def _about(only: RunFilter | LogFilter | DeadLetterFilter) -> Query:
    return (
        *_each(fromDate=_ms(only.from_date), toDate=_ms(only.to_date)),
        *_each(callerIp=only.caller_ip, flowControlKey=only.flow_control_key),
        *_each(label=only.labels or None),
    )


def _each(**parameters: Many | None) -> Iterator[tuple[str, str]]:
    """Yield each parameter as often as it has values.

    Raises:
        ValueError: one has an empty list, which is rather a mistake than all there is.
    """
    for name, value in parameters.items():
        if value is not None and not value:
            raise ValueError(f"the filter {name} is empty: leave it out to mean all")
        for one in () if value is None else each(value):
            yield name, one


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _ms(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} needs a time zone")
    return str(round(moment.timestamp() * 1000))
