"""From the header lines of a publish to its options: every header of protocol 3, in one pass."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from ringback.errors import Refused
from ringback.wire import flow_control
from ringback.wire.destination import check_url
from ringback.wire.header_values import READERS, flag, integer, listed
from ringback.wire.http import Headers, canonical
from ringback.wire.options import Callback, Options, Workflow

Lines = Iterable[tuple[str, str]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_OF_THE_CONNECTION = "host content-length transfer-encoding connection keep-alive te trailer upgrade expect"
_DROPPED = frozenset(_OF_THE_CONNECTION.split()) | {"accept-encoding"}  # answers are kept and passed on as they come
_NOT_PASSED_ON = frozenset({"authorization", "x-real-ip", "forwarded", "via", "content-type"})
_DEEPEST_CALLBACK = 3
LARGEST = 64 * 1024
"""Most characters of the headers of one message: as many as the head of a request may have."""
LONGEST_ID = 512
"""Most characters of the ids of runs and events, which stand in an index."""
_KEPT = 4096
"""Most characters of headers whose meaning is kept: publishers ask for the same again and again."""
_MOST_LINES = 64
"""Most headers, for the same."""
_OF_A_RUN = frozenset(f"upstash-{of}workflow-runid" for of in ("", "callback-", "failure-callback-"))
"""Headers that differ from run to run where all others are the same."""
_ITS_RUN = "\0run"
"""Stands for the id of the run where the meaning of headers is kept."""


@dataclass(slots=True)
class _Source:
    """The lines of one source, sorted by what they are about."""

    fields: dict[str, str] = field(default_factory=dict)
    forwarded: list[tuple[str, str]] = field(default_factory=list)
    callback: list[tuple[str, str]] = field(default_factory=list)
    failure_callback: list[tuple[str, str]] = field(default_factory=list)
    passed_on: list[tuple[str, str]] = field(default_factory=list)


def read_options(lines: Lines, query: Mapping[str, str] | None = None) -> Options:
    """Return what the headers of one message ask for.

    A header wins over a query parameter of the same name; forwarded headers are merged name by name. What headers mean is kept,
    for any run: those of two runs differ in nothing but its id.

    Args:
        lines: header lines, names in lower case.
        query: options given as query parameters.

    Raises:
        Refused: 400, naming the header.
    """
    if query:
        return _read(lines, query)
    asked, run_id, size = [], "", 0
    for name, value in lines:
        if name == "upstash-header-forward":
            return _read(lines)
        if value and name in _OF_A_RUN:
            run_id = run_id or value
            asked.append((name, _ITS_RUN if value == run_id else value))
        elif name.startswith("upstash-") or name == "content-type":
            asked.append((name, value))
        size += len(name) + len(value)
    if size > _KEPT or len(asked) > _MOST_LINES or len(run_id) > LONGEST_ID:
        return _read(lines)
    options = _known(tuple(asked))
    return _of_run(options, run_id) if run_id else options


def _read(lines: Lines, query: Mapping[str, str] | None = None) -> Options:
    source = _sort(lines)
    if query:
        _fill(source, _sort(query.items()))
    return _options(source, "Upstash-", 0)


_known = lru_cache(maxsize=1024)(_read)


def _of_run(options: Options, run_id: str) -> Options:
    """Return options that were read for any run as those of one."""
    changed: dict[str, Any] = {}
    if options.workflow is not None and options.workflow.run_id == _ITS_RUN:
        changed["workflow"] = replace(options.workflow, run_id=run_id)
    for name, callback in (("callback", options.callback), ("failure_callback", options.failure_callback)):
        if callback is not None:
            changed[name] = replace(callback, options=_of_run(callback.options, run_id))
    return replace(options, **changed)


def lines_of(headers: Mapping[str, str | list[str]]) -> Headers:
    """Return the lines of a JSON object of headers, as they were given."""
    return [
        (name, value) for name, values in headers.items() for value in ([values] if isinstance(values, str) else values)
    ]


def size_of(lines: Lines) -> int:
    """Return how many characters headers have that came in a JSON object, where nobody else has counted them.

    Raises:
        Refused: 400 for too many.
    """
    size = sum([len(name) + len(value) for name, value in lines])
    if size > LARGEST:
        raise Refused(400, f"invalid headers: larger than {LARGEST} characters together")
    return size


def _sort(lines: Lines) -> _Source:
    source = _Source()
    fields = source.fields
    for name, value in lines:
        if not name.startswith("upstash-"):
            if name == "content-type":
                fields.setdefault(name, value)
            else:
                source.passed_on.append((name, value))
        elif name.startswith("forward-", 8):
            source.forwarded.append((name[16:], value))
        elif name.startswith("callback-", 8):
            source.callback.append((f"upstash-{name[17:]}", value))
        elif name.startswith("failure-callback-", 8):
            source.failure_callback.append((f"upstash-{name[25:]}", value))
        elif name == "upstash-feature-set" and fields.get("feature-set"):
            fields["feature-set"] += f",{value}"
        elif value:
            fields.setdefault(name[8:], value if value.isascii() else _as_meant(value))
    return source


def _as_meant(value: str) -> str:
    """Return a value that a client has sent as UTF-8 as the text it meant: header bytes are read as Latin-1.

    What is forwarded stays as it is, so that a destination gets the bytes that were sent.
    """
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _fill(source: _Source, weaker: _Source) -> None:
    """Take over from a weaker source what the stronger one does not say."""
    source.fields = {**weaker.fields, **source.fields}
    said = {name for name, _ in source.forwarded}
    source.forwarded += [line for line in weaker.forwarded if line[0] not in said]
    for stronger, other in (
        (source.callback, weaker.callback),
        (source.failure_callback, weaker.failure_callback),
    ):
        said = {name for name, _ in stronger}
        stronger += [line for line in other if line[0] not in said]


def _options(source: _Source, prefix: str, depth: int) -> Options:
    asked: dict[str, Any] = {}
    for name, value in source.fields.items():
        read = READERS.get(name)
        if read is not None:
            read(asked, value, prefix)
    headers = _headers(source, forward_all=bool(asked.pop("header_forward", False)))
    if headers:
        asked["headers"] = headers
    _join_flow_control(asked, prefix)
    _join_callback(asked, "callback", source.callback, f"{prefix}Callback-", depth)
    _join_callback(asked, "failure_callback", source.failure_callback, f"{prefix}Failure-Callback-", depth)
    if "workflow-runid" in source.fields or "workflow-init" in source.fields:
        asked["workflow"] = _workflow(source.fields, prefix)
    elif "feature-set" in source.fields and depth:
        asked["workflow"] = Workflow(features=listed(source.fields["feature-set"]))
    return Options(**asked)


def _headers(source: _Source, *, forward_all: bool) -> tuple[tuple[str, str], ...]:
    """Return what the destination gets; an explicitly forwarded header wins over one that is passed on or Content-Type."""
    content_type = source.fields.get("content-type")
    if not source.forwarded and not forward_all:
        return (("Content-Type", content_type),) if content_type else ()
    forwarded = [
        (_header_name(name), _header_value(name, value)) for name, value in source.forwarded if not _is_dropped(name)
    ]
    said = {name for name, _ in forwarded}
    headers = [("Content-Type", content_type)] if content_type and "Content-Type" not in said else []
    if forward_all:
        passed = [
            (_header_name(name), _header_value(name, value))
            for name, value in source.passed_on
            if not _is_dropped(name) and name not in _NOT_PASSED_ON and not name.startswith("x-forwarded-")
        ]
        headers += [line for line in passed if line[0] not in said]
    return (*headers, *forwarded)


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or name.startswith("proxy-")


@lru_cache(maxsize=4096)
def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Refused(400, f"invalid header Upstash-Forward-{name[:64]}: the name has characters that are not allowed")
    return canonical(name)


def _header_value(name: str, value: str) -> str:
    if "\r" in value or "\n" in value or "\0" in value:
        raise Refused(400, f"invalid header Upstash-Forward-{name[:64]}: the value has a line break")
    return value


def _join_flow_control(asked: dict[str, Any], prefix: str) -> None:
    key, value = asked.pop("flow_key", None), asked.pop("flow_value", None)
    if key is not None and value is not None:
        asked["flow_control"] = flow_control.parse(key, value)
    elif key is not None:
        raise Refused(400, f"missing header {prefix}Flow-Control-Value: it goes with {prefix}Flow-Control-Key")
    elif value is not None:
        raise Refused(400, f"missing header {prefix}Flow-Control-Key: it goes with {prefix}Flow-Control-Value")


def _join_callback(asked: dict[str, Any], name: str, lines: list[tuple[str, str]], prefix: str, depth: int) -> None:
    url = asked.get(name)
    if url is None:
        return
    if depth >= _DEEPEST_CALLBACK:
        del asked[name]
        return
    asked[name] = Callback(url, _options(_sort(lines), prefix, depth + 1) if lines else Options())


def _workflow(fields: Mapping[str, str], prefix: str) -> Workflow:
    created_at = fields.get("workflow-createdat")
    run_id, url = fields.get("workflow-runid", ""), fields.get("workflow-url", "")
    if len(run_id) > LONGEST_ID:
        raise Refused(400, f"invalid header {prefix}Workflow-RunId: longer than {LONGEST_ID} characters")
    return Workflow(
        init=flag(f"{prefix}Workflow-Init", fields.get("workflow-init", "false")),
        run_id=run_id,
        url=check_url(f"header {prefix}Workflow-Url", url) if url else "",
        created_at=integer(f"{prefix}Workflow-CreatedAt", created_at) if created_at else None,
        sdk_version=fields.get("workflow-sdk-version", ""),
        call_type=fields.get("workflow-calltype", "step"),
        invoke=flag(f"{prefix}Workflow-Invoke", fields.get("workflow-invoke", "false")),
        trigger_by_sdk=flag(f"{prefix}Workflow-Trigger-By-Sdk", fields.get("workflow-trigger-by-sdk", "false")),
        features=listed(fields.get("feature-set", "")),
    )
