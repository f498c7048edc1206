"""From the header lines of a publish to its options: every header of protocol 3, in one pass."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ringback.errors import Refused
from ringback.wire import cron, duration, flow_control, redaction, retry_delay
from ringback.wire.destination import check_url
from ringback.wire.http import canonical
from ringback.wire.options import Callback, Options, Workflow

Lines = Iterable[tuple[str, str]]

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
_DROPPED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
)
_NOT_PASSED_ON = frozenset({"authorization", "x-real-ip", "forwarded", "via", "accept-encoding", "content-type"})
_DEEPEST_CALLBACK = 3
LARGEST = 64 * 1024
"""Most characters of the headers of one message: as many as the head of a request may have."""
LONGEST_ID = 512
"""Most characters of the ids of runs and events, which stand in an index."""
_LARGEST_INTEGER = 2**53


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

    A header wins over a query parameter of the same name; forwarded headers are merged name by name.

    Args:
        lines: header lines, names in lower case.
        query: options given as query parameters.

    Raises:
        Refused: 400, naming the header.
    """
    source = _sort(lines)
    if query:
        _fill(source, _sort(query.items()))
    return _options(source, "Upstash-", 0)


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
            fields.setdefault(name[8:], value)
    return source


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
        read = _READERS.get(name)
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
        asked["workflow"] = Workflow(features=_list(source.fields["feature-set"]))
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
        init=_flag(f"{prefix}Workflow-Init", fields.get("workflow-init", "false")),
        run_id=run_id,
        url=check_url(f"header {prefix}Workflow-Url", url) if url else "",
        created_at=_integer(f"{prefix}Workflow-CreatedAt", created_at) if created_at else None,
        sdk_version=fields.get("workflow-sdk-version", ""),
        call_type=fields.get("workflow-calltype", "step"),
        invoke=_flag(f"{prefix}Workflow-Invoke", fields.get("workflow-invoke", "false")),
        trigger_by_sdk=_flag(f"{prefix}Workflow-Trigger-By-Sdk", fields.get("workflow-trigger-by-sdk", "false")),
        features=_list(fields.get("feature-set", "")),
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (one.strip() for one in text.split(",")) if part)


def _flag(name: str, text: str) -> bool:
    lower = text.strip().lower()
    if lower in ("true", "1"):
        return True
    if lower in ("false", "0"):
        return False
    raise Refused(400, f"invalid header {name}: expected true or false, found {text!r}")


def _integer(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _LARGEST_INTEGER):
        raise Refused(400, f"invalid header {name}: expected a whole number, found {text!r}")
    return int(text)


def _duration(name: str, text: str) -> int:
    try:
        return duration.parse(text.strip())
    except Refused as error:
        raise Refused(400, f"invalid header {name}: {error.text}") from error


def _seconds_or_duration(name: str, text: str) -> int:
    """A bare number of seconds is what `context.call` of the workflow SDKs sends (workflow protocol 2.5)."""
    return int(text) * 1000 if text.isascii() and text.isdigit() and len(text) <= 10 else _duration(name, text)


def _unix_seconds(name: str, text: str) -> int:
    """Seconds since the epoch, a fraction allowed, as milliseconds."""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12) or not (fraction or "0").isdigit():
        raise Refused(400, f"invalid header {name}: expected seconds since the Unix epoch, found {text!r}")
    return int(whole) * 1000 + int(f"{fraction:0<3}"[:3])


def _method(name: str, text: str) -> str:
    if text.upper() not in _METHODS:
        raise Refused(400, f"invalid header {name}: expected GET, POST, PUT, PATCH or DELETE, found {text!r}")
    return text.upper()


def _deduplication_id(name: str, text: str) -> str:
    if ":" in text:
        raise Refused(400, "DeduplicationId cannot contain ':'")
    if len(text) > 255 or not text.isprintable():
        raise Refused(400, f"invalid header {name}: expected at most 255 printable characters")
    return text


def _identifier(name: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Refused(400, f"invalid header {name}: use letters, digits, '.', '_' and '-', at most 255 of them")
    return text


def _expression(_: str, text: str) -> str:
    retry_delay.compile_expression(text)
    return text


def _cron(_: str, text: str) -> str:
    cron.parse(text)
    return text.strip()


def _plain(_: str, text: str) -> str:
    return text


_Reader = Callable[[dict[str, Any], str, str], None]


def _reader(option: str, header: str, read: Callable[[str, str], Any]) -> _Reader:
    def put(asked: dict[str, Any], value: str, prefix: str) -> None:
        asked[option] = read(f"{prefix}{header}", value)

    return put


_READERS: dict[str, _Reader] = {
    header.lower(): _reader(option, header, read)
    for header, option, read in (
        ("Method", "method", _method),
        ("Delay", "delay_ms", _duration),
        ("Not-Before", "not_before", _unix_seconds),
        ("Retries", "retries", _integer),
        ("Retry-Delay", "retry_delay", _expression),
        ("Timeout", "timeout_ms", _seconds_or_duration),
        ("Callback", "callback", lambda name, text: check_url(f"header {name}", text)),
        ("Failure-Callback", "failure_callback", lambda name, text: check_url(f"header {name}", text)),
        ("Header-Forward", "header_forward", _flag),
        ("Deduplication-Id", "deduplication_id", _deduplication_id),
        ("Content-Based-Deduplication", "content_based_deduplication", _flag),
        ("Flow-Control-Key", "flow_key", _plain),
        ("Flow-Control-Value", "flow_value", _plain),
        ("Label", "labels", lambda _, text: _list(text)),
        ("Redact-Fields", "redact", lambda _, text: redaction.parse(text)),
        ("Cron", "cron", _cron),
        ("Schedule-Id", "schedule_id", _identifier),
        ("Queue-Name", "queue_name", _identifier),
    )
}
