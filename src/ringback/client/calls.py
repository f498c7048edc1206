"""The broker's API calls that carry a workflow, as values: the request, and how to read its answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from ringback.client.errors import BrokerMisunderstood
from ringback.client.messages import Item
from ringback.client.options import Headers
from ringback.errors import Refused
from ringback.wire.steps import Entry, dump, parse_entries

T_co = TypeVar("T_co", covariant=True)

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One API call.

    Attributes:
        method, path: where to; the path begins with `/v2/`.
        parse: turns the body of a 2xx answer into the result.
        query, headers, body: what is sent.
        repeatable: whether sending it twice does no harm, so that it may be sent again when the answer is lost.
    """

    method: str
    path: str
    parse: Callable[[bytes], T_co]
    query: Query = ()
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True


def batch(items: Sequence[Item]) -> Call[list[dict[str, Any]]]:
    """Publish several messages at once, all or none."""
    body = dump([item.json() for item in items]).encode()
    return Call("POST", "/v2/batch", array, headers=_JSON, body=body)


def publish(item: Item) -> Call[dict[str, Any]]:
    """Publish one message."""
    body = (item.body or "").encode()
    return Call("POST", f"/v2/publish/{tail(item.destination)}", record, headers=item.headers, body=body)


def finish(run_id: str, result: str | None) -> Call[None]:
    """End a run successfully; `result` is JSON text, or None for no result."""
    return Call("DELETE", _run(run_id), nothing, (("cancel", "false"),), body=(result or "").encode())


def abandon(run_id: str) -> Call[None]:
    """Cancel a run from within."""
    return Call("DELETE", _run(run_id), nothing, (("cancel", "true"),))


def entries(run_id: str) -> Call[list[Entry]]:
    """Fetch all entries of a running run; 404 when it has ended."""
    return Call("GET", _run(run_id), _entries)


def wait(event_id: str, headers: Headers, body: Mapping[str, Any]) -> Call[None]:
    """Have the broker wait for an event on behalf of a run."""
    return Call("POST", f"/v2/wait/{segments(event_id)}", nothing, headers=headers, body=dump(body).encode())


def heartbeat(run_id: str, message_id: str, attempt: int, progress: float | str | None) -> Call[None]:
    """Tell the broker that a long step is alive, and how far it is."""
    body = {"messageId": message_id, "attempt": attempt, "progress": progress}
    return Call("POST", f"{_run(run_id)}/heartbeat", nothing, headers=_JSON, body=dump(body).encode())


def segment(text: str) -> str:
    """Return text as one path segment.

    Raises:
        Refused: 400 where it is empty: the address would be that of all there are.
    """
    if not text:
        raise Refused(400, "an id or a name is empty")
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def tail(destination: str) -> str:
    """Return a destination as the end of a path: `..` in it, which clients of HTTP take for a step up, would lead elsewhere."""
    path, mark, query = destination.partition("?")
    parts = (part.replace(".", "%2E") if part in (".", "..") else part for part in path.split("/"))
    return "/".join(parts) + mark + query


def segments(text: str) -> str:
    """Return text that may hold slashes as the end of a path: with its slashes, as the official SDKs send ids.

    Segments that do not survive a path, such as `..`, are escaped with the slashes beside them.
    """
    return segment(text) if {"", ".", ".."} & set(text.split("/")) else quote(text)


def nothing(body: bytes) -> None:
    """Read an answer that says no more than its status."""


def record(body: bytes) -> dict[str, Any]:
    """Read an answer that is a JSON object.

    Raises:
        BrokerMisunderstood: it is something else.
    """
    value = _json(body)
    if not isinstance(value, dict):
        raise BrokerMisunderstood("the broker's answer should be a JSON object")
    return value


def array(body: bytes) -> list[dict[str, Any]]:
    """Read an answer that is a JSON array of objects.

    Raises:
        BrokerMisunderstood: it is something else.
    """
    value = _json(body)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BrokerMisunderstood("the broker's answer should be a JSON array of objects")
    return value


_JSON = {"Content-Type": "application/json"}


def _run(run_id: str) -> str:
    return f"/v2/workflows/runs/{segments(run_id)}"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BrokerMisunderstood("the broker's answer should be JSON") from None


def _entries(body: bytes) -> list[Entry]:
    try:
        return parse_entries(body)
    except ValueError as error:
        raise BrokerMisunderstood(str(error)) from None
