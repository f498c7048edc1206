"""Runs that failed for good: looking at them, and bringing them back (protocol workflow 3.5, 4.7)."""

from dataclasses import replace
from typing import Any

from ringback.client import bulk
from ringback.client.bulk import Act, Part
from ringback.client.calls import Call, Query, record, segment
from ringback.client.filters import DeadLetterFilter, letter_query
from ringback.client.options import Headers, RunOptions, retry_headers
from ringback.client.runs import Page, page

_PATH = "/v2/workflows/dlq"
_DEFAULTS = RunOptions()


def dead_letters(only: DeadLetterFilter | None = None, *, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List failed runs."""
    query = (
        *letter_query(only or DeadLetterFilter()),
        ("count", str(count)),
        *((("cursor", cursor),) if cursor else ()),
    )
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


def resume_where(
    only: DeadLetterFilter, *, options: RunOptions = _DEFAULTS, cursor: str | None = None, count: int = 100
) -> Call[Part]:
    """Go on with the failed runs that fit, at most `count` of them; says which runs were made. Repeat it with its cursor
    until that is None.

    Raises:
        ValueError: the filter is empty; `resume_all()` means all of them.
    """
    return _where(bulk.resume_runs, only, "resume_all()", cursor, count, _headers(options))


def resume_all(*, options: RunOptions = _DEFAULTS, cursor: str | None = None, count: int = 100) -> Call[Part]:
    """Go on with all failed runs, at most `count` in one call; see `resume_where`."""
    return _act(bulk.resume_runs, (), cursor, count, _headers(options))


def restart_where(
    only: DeadLetterFilter, *, options: RunOptions = _DEFAULTS, cursor: str | None = None, count: int = 100
) -> Call[Part]:
    """Run the failed runs that fit again from the start; see `resume_where`.

    Raises:
        ValueError: the filter is empty; `restart_all()` means all of them.
    """
    return _where(bulk.restart_runs, only, "restart_all()", cursor, count, _headers(options))


def restart_all(*, options: RunOptions = _DEFAULTS, cursor: str | None = None, count: int = 100) -> Call[Part]:
    """Run all failed runs again from the start, at most `count` in one call; see `resume_where`."""
    return _act(bulk.restart_runs, (), cursor, count, _headers(options))


def delete_dead_letters_where(only: DeadLetterFilter, *, cursor: str | None = None, count: int = 100) -> Call[Part]:
    """Forget the failed runs that fit, at most `count` in one call; says how many. Repeat it with its cursor until that
    is None.

    Raises:
        ValueError: the filter is empty; `delete_all_dead_letters()` means all of them.
    """
    return _where(bulk.forget_runs, only, "delete_all_dead_letters()", cursor, count, {})


def delete_all_dead_letters(*, cursor: str | None = None, count: int = 100) -> Call[Part]:
    """Forget all failed runs, at most `count` in one call; see `delete_dead_letters_where`."""
    return _act(bulk.forget_runs, (), cursor, count, {})


def delete_dead_letters(*dlq_ids: str) -> Call[int]:
    """Forget failed runs; says how many."""
    return Call("DELETE", _PATH, lambda answer: int(record(answer).get("deleted", 0)), _query(dlq_ids))


def rerun_failure_function(dlq_id: str) -> Call[str]:
    """Call the failure function of a failed run again, when it failed itself; says the run's id."""
    return Call("POST", f"{_PATH}/callback/{segment(dlq_id)}", _run_id_of, repeatable=False)


def _again(what: str, dlq_ids: tuple[str, ...], options: RunOptions) -> Call[list[str]]:
    return Call("POST", f"{_PATH}/{what}", _run_ids, _query(dlq_ids), _headers(options), repeatable=False)


def _where(act: Act, only: DeadLetterFilter, all_: str, cursor: str | None, count: int, headers: Headers) -> Call[Part]:
    query = letter_query(only)
    if not query:
        raise ValueError(f"the filter is empty; to mean all failed runs, call {all_}")
    return _act(act, query, cursor, count, headers)


def _act(act: Act, query: Query, cursor: str | None, count: int, headers: Headers) -> Call[Part]:
    call = act({"count": count}, cursor)
    return replace(call, query=(*query, *call.query), headers=headers)


def _headers(options: RunOptions) -> Headers:
    headers = retry_headers(options)
    if options.retries is not None:  # also where it is the default: the run may have had others
        headers["Upstash-Retries"] = str(options.retries)
    return headers


def _query(dlq_ids: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not dlq_ids:
        raise ValueError("at least one dlq id is needed")
    return tuple(("dlqIds", one) for one in dlq_ids)


def _run_id_of(answer: bytes) -> str:
    return str(record(answer).get("workflowRunId", ""))


def _run_ids(answer: bytes) -> list[str]:
    runs: list[dict[str, Any]] = record(answer).get("workflowRuns", [])
    return [str(run.get("workflowRunId", "")) for run in runs]
