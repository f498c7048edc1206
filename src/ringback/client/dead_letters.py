"""Runs that failed for good: looking at them, and bringing them back (protocol workflow 3.5, 4.7)."""

from typing import Any

from ringback.client.calls import Call, record, segment
from ringback.client.options import Headers, RunOptions, retry_headers
from ringback.client.runs import Page, RunFilter, filter_query, page

_PATH = "/v2/workflows/dlq"
_DEFAULTS = RunOptions()


def dead_letters(only: RunFilter | None = None, *, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List failed runs."""
    query = (*filter_query(only or RunFilter()), ("count", str(count)), *((("cursor", cursor),) if cursor else ()))
    return Call("GET", _PATH, lambda answer: page(answer, "messages"), query)


def resume(*dlq_ids: str, options: RunOptions = _DEFAULTS) -> Call[list[str]]:
    """Go on with failed runs where they failed, as new runs; says their ids.

    Args:
        *dlq_ids: which.
        options: retries and flow control in place of the old ones.
    """
    return _again("resume", dlq_ids, options)


def restart(*dlq_ids: str, options: RunOptions = _DEFAULTS) -> Call[list[str]]:
    """Run failed runs again from the start, as new runs; says their ids."""
    return _again("restart", dlq_ids, options)


def delete_dead_letters(*dlq_ids: str) -> Call[int]:
    """Forget failed runs; says how many."""
    return Call("DELETE", _PATH, lambda answer: int(record(answer).get("deleted", 0)), _query(dlq_ids))


def rerun_failure_function(dlq_id: str) -> Call[str]:
    """Call the failure function of a failed run again, when it failed itself; says the run's id."""
    return Call("POST", f"{_PATH}/callback/{segment(dlq_id)}", _run_id_of, repeatable=False)


def _again(what: str, dlq_ids: tuple[str, ...], options: RunOptions) -> Call[list[str]]:
    headers: Headers = retry_headers(options)
    if options.retries is not None:  # also where it is the default: the run may have had others
        headers["Upstash-Retries"] = str(options.retries)
    return Call("POST", f"{_PATH}/{what}", _run_ids, _query(dlq_ids), headers, repeatable=False)


def _query(dlq_ids: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not dlq_ids:
        raise ValueError("at least one dlq id is needed")
    return tuple(("dlqIds", one) for one in dlq_ids)


def _run_id_of(answer: bytes) -> str:
    return str(record(answer).get("workflowRunId", ""))


def _run_ids(answer: bytes) -> list[str]:
    runs: list[dict[str, Any]] = record(answer).get("workflowRuns", [])
    return [str(run.get("workflowRunId", "")) for run in runs]
