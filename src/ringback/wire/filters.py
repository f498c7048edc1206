"""The filters of lists and bulk calls, read from query parameters or a JSON body (protocol 2.6, 2.10, 2.13)."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ringback.errors import Refused
from ringback.wire.destination import as_requested, escaped

_PLAIN = re.compile(",")
_BEFORE_URL = re.compile(r",(?=https?://)")
_BEFORE_PATH = re.compile(r",(?=/)")
_STATES = {
    state: (state,)
    for state in ("CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED")
} | {"CANCELLED": ("CANCELED",), "IN_PROGRESS": ("ACTIVE", "RETRY", "ERROR")}
_MOST_VALUES = 1000
_MAY_BE_EMPTY = frozenset({"messageIds", "dlqIds", "workflowRunIds", "count", "cursor", "api", "async", "source"})
"""No ids choose nothing, and the others choose nothing in any case."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list or a bulk call is about; values of one field are alternatives, fields are joined by "and".

    Attributes:
        ids: chosen one by one; then nothing else counts. None when not asked for, empty when asked for with no id.
        from_ms, to_ms: both included.
        cursor: where the last page ended.
        latest_first: order of the list.
        run_urls, run_id, run_created_at, run_states, failure_states: of workflow runs.
        runs: ids of runs, each with when it was created where that was told: an id may have been used again.
    """

    ids: tuple[str, ...] | None = None
    message_ids: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    flow_keys: tuple[str, ...] = ()
    caller_ips: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    count: int | None = None
    cursor: str | None = None
    latest_first: bool | None = None
    run_urls: tuple[str, ...] = ()
    run_id: str | None = None
    run_created_at: int | None = None
    runs: tuple[tuple[str, int | None], ...] = ()
    run_states: tuple[str, ...] = ()
    failure_states: tuple[str, ...] = ()


def read_filter(query: Iterable[tuple[str, str]], body: bytes, *, fields: Iterable[str], strict: bool) -> Filter:
    """Return the filter of a call; a query parameter wins over the same field of the body.

    Args:
        query: decoded query parameters in order.
        body: a JSON object with the same fields, or nothing.
        fields: the names this call knows.
        strict: whether an unknown name is refused, and a filter without a value; calls that destroy must not take either
            for no filter at all.

    Raises:
        Refused: 400, naming the field.
    """
    known = set(fields)
    found = Filter()
    for name, values in given_filters(query, body).items():
        reader = _reader(name, known) if name in known else None
        if strict and name not in known:
            raise Refused(400, f"unknown filter {name!r}, expected one of: {', '.join(sorted(known))}")
        if reader is None:
            continue
        if strict and name not in _MAY_BE_EMPTY and not any(value.strip(",") for value in values):
            raise Refused(
                400, f"invalid filter {name}: it has no value, and would choose all; leave it out to mean that"
            )
        found = reader(found, name, values)
    return found


def given_filters(query: Iterable[tuple[str, str]], body: bytes) -> dict[str, list[str]]:
    """Return what a call was asked with, by name: never its token.

    Raises:
        Refused: 400 for a body that is no object of filters.
    """
    of_query: dict[str, list[str]] = {}
    for name, value in query:
        of_query.setdefault(name, []).append(value)
    of_query.pop("qstash_token", None)
    return _of_body(body) | of_query


def _reader(name: str, known: set[str]) -> "_Read | None":
    """Calls about runs read some names in their own way."""
    return (_RUN_READERS.get(name) if "workflowUrl" in known else None) or _READERS.get(name)


def _of_body(body: bytes) -> dict[str, list[str]]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:  # nested deeper than any filter is
        raise Refused(400, f"invalid request body: {error}") from error
    if not isinstance(value, dict):
        raise Refused(400, "invalid request body: expected an object of filters")
    return {name: _texts(name, one) for name, one in value.items() if one is not None}


def _texts(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list) or one is None for one in values):
        raise Refused(400, f"invalid filter {name}: expected a value or a list of values")
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


_Read = Callable[[Filter, str, Sequence[str]], Filter]


def _many(attribute: str, cut: re.Pattern[str] = _PLAIN, kept: Callable[[str], str] = str) -> _Read:
    """Return what reads several values; `kept` returns how each is written where it is remembered."""

    def read(found: Filter, name: str, values: Sequence[str]) -> Filter:
        return _with(found, attribute, tuple(map(kept, _split(name, values, cut))))

    return read


def _split(name: str, values: Sequence[str], cut: re.Pattern[str]) -> tuple[str, ...]:
    parts = tuple(part for value in values for part in cut.split(value) if part)
    if len(parts) > _MOST_VALUES:
        raise Refused(400, f"invalid filter {name}: at most {_MOST_VALUES} values")
    return parts


def _with(found: Filter, attribute: str, value: Any) -> Filter:
    return replace(found, **{attribute: value})


def _one(attribute: str) -> _Read:
    def read(found: Filter, _: str, values: Sequence[str]) -> Filter:
        return _with(found, attribute, (values[0],)) if values and values[0] else found

    return read


def _integer(attribute: str) -> _Read:
    def read(found: Filter, name: str, values: Sequence[str]) -> Filter:
        return _with(found, attribute, _whole(name, values[0])) if values and values[0] else found

    return read


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refused(400, f"invalid filter {name}: expected a whole number, found {text!r}")
    return int(text)


def _states(found: Filter, name: str, values: Sequence[str]) -> Filter:
    states: list[str] = []
    for text in _split(name, values, _PLAIN):
        if text.upper() not in _STATES:
            raise Refused(400, f"invalid filter {name}: unknown state {text!r}, expected one of {', '.join(_STATES)}")
        states += _STATES[text.upper()]
    return replace(found, states=tuple(states))


def _statuses(found: Filter, name: str, values: Sequence[str]) -> Filter:
    return replace(found, statuses=tuple(_whole(name, text) for text in _split(name, values, _PLAIN)))


def _cursor(found: Filter, _: str, values: Sequence[str]) -> Filter:
    return replace(found, cursor=values[0] or None) if values else found


def _order(found: Filter, name: str, values: Sequence[str]) -> Filter:
    orders = {"latestFirst": True, "earliestFirst": False}
    if values[0] not in orders:
        raise Refused(400, f"invalid filter {name}: expected latestFirst or earliestFirst, found {values[0]!r}")
    return replace(found, latest_first=orders[values[0]])


def _ignored(found: Filter, _: str, __: Sequence[str]) -> Filter:
    return found


def _text(attribute: str) -> _Read:
    def read(found: Filter, _: str, values: Sequence[str]) -> Filter:
        return _with(found, attribute, values[0]) if values and values[0] else found

    return read


def _runs(found: Filter, name: str, values: Sequence[str]) -> Filter:
    """Runs as `id@createdAt`."""
    return replace(found, runs=tuple(_run(name, part) for part in _split(name, values, _PLAIN)))


def _run(name: str, text: str) -> tuple[str, int | None]:
    run_id, at, created_at = text.rpartition("@")
    return (run_id, _whole(name, created_at)) if at else (text, None)


_RUN_STATES = ("RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")
_STEP_STATES = ("STEP_PROGRESS", "STEP_RETRY", "STEP_SUCCESS", "STEP_FAILED", "STEP_CANCELED")


def _run_state(found: Filter, name: str, values: Sequence[str]) -> Filter:
    states = _split(name, values, _PLAIN)
    for state in states:
        if state not in (*_RUN_STATES, *_STEP_STATES):
            raise Refused(
                400, f"invalid filter {name}: unknown state {state!r}, expected one of {', '.join(_RUN_STATES)}"
            )
    return replace(found, run_states=tuple(state for state in states if state in _RUN_STATES))


_RUN_READERS: dict[str, _Read] = {
    "workflowRunIds": _many("ids"),
    "workflowUrl": _many("run_urls", _BEFORE_URL, as_requested),
    "workflowRunId": _text("run_id"),
    "workflowCreatedAt": _integer("run_created_at"),
    "workflowRuns": _runs,
    "state": _run_state,
    "failureFunctionState": _many("failure_states"),
    "trimBody": _ignored,
    "groupBy": _ignored,
}
_READERS: dict[str, _Read] = {
    "messageIds": _many("ids"),
    "dlqIds": _many("ids"),
    "messageId": _one("message_ids"),
    "url": _many("urls", _BEFORE_URL, as_requested),
    "host": _many("hosts"),
    "path": _many("paths", _BEFORE_PATH, escaped),
    "topicName": _many("groups"),
    "scheduleId": _many("schedules"),
    "queueName": _many("queues"),
    "label": _many("labels"),
    "flowControlKey": _many("flow_keys"),
    "callerIp": _many("caller_ips"),
    "callerIP": _many("caller_ips"),
    "state": _states,
    "responseStatus": _statuses,
    "fromDate": _integer("from_ms"),
    "toDate": _integer("to_ms"),
    "count": _integer("count"),
    "cursor": _cursor,
    "order": _order,
    "api": _ignored,
    "async": _ignored,
    "source": _ignored,
    "trimBody": _ignored,
}

_ABOUT_MESSAGES = ("url", "topicName", "scheduleId", "queueName", "label", "flowControlKey", "callerIp", "callerIP")
_PAGE = ("fromDate", "toDate", "count", "cursor")
CANCEL_FIELDS = ("messageIds", "host", "path", "async", *_ABOUT_MESSAGES, *_PAGE)
EVENT_FIELDS = ("messageId", "messageIds", "state", "host", "path", "order", "trimBody", *_ABOUT_MESSAGES, *_PAGE)
_ABOUT_RUNS = ("workflowUrl", "host", "path", "label", "flowControlKey", "callerIp", "callerIP")
RUN_CANCEL_FIELDS = frozenset({"workflowRunIds", *_ABOUT_RUNS, *_PAGE})
RUN_FIELDS = frozenset(
    {
        "workflowRunId",
        "workflowCreatedAt",
        "workflowRuns",
        "state",
        "messageId",
        "trimBody",
        "groupBy",
        *_ABOUT_RUNS,
        *_PAGE,
    }
)
RUN_LETTER_FIELDS = frozenset(
    {
        *(
            "dlqIds",
            "workflowRunId",
            "workflowCreatedAt",
            "failureFunctionState",
            "url",
            "responseStatus",
            "source",
            "order",
        ),
        *_ABOUT_RUNS,
        *_PAGE,
    }
)
_OF_LETTERS = ("dlqIds", "messageId", "responseStatus", "order", "api", "source", "host", "path")
DEAD_LETTER_FIELDS = (*_OF_LETTERS, *_ABOUT_MESSAGES, *_PAGE)
"""`host` and `path` are of ours: the reference refuses them here."""
