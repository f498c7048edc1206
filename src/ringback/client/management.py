"""The calls that manage a broker, as values: messages, history, queues, schedules, URL groups, dead letters, limits, keys.

Answers have the fields of the QStash reference. Filters and options are given by the names of its query parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ringback.client.calls import Call, Query, array, nothing, record, segment, tail
from ringback.client.options import Headers
from ringback.client.runs import Page, page
from ringback.wire.steps import dump

Filter = Mapping[str, str | int | Sequence[str]]
"""Query parameters by name; a sequence is the parameter given several times."""
Shape = dict[str, Any]
_JSON = {"Content-Type": "application/json"}

# Messages


def publish(destination: str, body: bytes = b"", headers: Headers | None = None) -> Call[Shape | list[Shape]]:
    """Publish to a URL, a URL group or an `api/` destination; a URL group is answered with a list.

    Args:
        destination: as it stands after `/v2/publish/`.
        body: what is delivered.
        headers: options (`Upstash-Delay` ...), `Upstash-Forward-*`, `Content-Type`.
    """
    return Call("POST", f"/v2/publish/{tail(destination)}", _either, (), headers or {}, body, repeatable=False)


def enqueue(
    queue: str, destination: str, body: bytes = b"", headers: Headers | None = None
) -> Call[Shape | list[Shape]]:
    """Publish through a queue."""
    path = f"/v2/enqueue/{segment(queue)}/{tail(destination)}"
    return Call("POST", path, _either, (), headers or {}, body, repeatable=False)


def batch(body: bytes) -> Call[list[Shape]]:
    """Publish several messages at once, all or none; the body is the JSON list of the reference."""
    return Call("POST", "/v2/batch", _published, (), _JSON, body, repeatable=False)


def message(message_id: str) -> Call[Shape]:
    """Look at a message that has not ended."""
    return Call("GET", f"/v2/messages/{segment(message_id)}", record)


def cancel_message(message_id: str) -> Call[None]:
    """Cancel one message."""
    return Call("DELETE", f"/v2/messages/{segment(message_id)}", nothing)


def cancel_messages(which: Filter) -> Call[int]:
    """Cancel the messages that fit; says how many.

    Raises:
        ValueError: the filter is empty.
    """
    if not which:
        raise ValueError("the filter is empty: name what to cancel")
    return Call("DELETE", "/v2/messages", _number("cancelled"), pairs(which))


# History


def events(which: Filter | None = None, *, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List what has happened to messages, newest first."""
    query = pairs({**(which or {}), "count": count, **({"cursor": cursor} if cursor else {})})
    return Call("GET", "/v2/events", lambda answer: page(answer, "events"), query)


# Queues


def queues() -> Call[list[Shape]]:
    """List the queues."""
    return Call("GET", "/v2/queues", array)


def queue(name: str) -> Call[Shape]:
    """Look at a queue."""
    return Call("GET", f"/v2/queues/{segment(name)}", record)


def set_queue(name: str, *, parallelism: int | None = None, paused: bool | None = None) -> Call[None]:
    """Make a queue, or change it."""
    given = {"queueName": name, "parallelism": parallelism, "paused": paused}
    return Call("POST", "/v2/queues", nothing, (), _JSON, _dump({k: v for k, v in given.items() if v is not None}))


def pause_queue(name: str) -> Call[None]:
    """Let a queue start nothing more."""
    return Call("POST", f"/v2/queues/{segment(name)}/pause", nothing)


def resume_queue(name: str) -> Call[None]:
    """Let a queue go on."""
    return Call("POST", f"/v2/queues/{segment(name)}/resume", nothing)


def delete_queue(name: str) -> Call[None]:
    """Delete a queue and what waits in it."""
    return Call("DELETE", f"/v2/queues/{segment(name)}", nothing)


# Schedules


def schedules() -> Call[list[Shape]]:
    """List the schedules."""
    return Call("GET", "/v2/schedules", array)


def schedule(schedule_id: str) -> Call[Shape]:
    """Look at a schedule."""
    return Call("GET", f"/v2/schedules/{segment(schedule_id)}", record)


def set_schedule(destination: str, cron: str, body: bytes = b"", headers: Headers | None = None) -> Call[str]:
    """Make a schedule; `Upstash-Schedule-Id` among the headers replaces the one of that id. Says its id."""
    told = {**(headers or {}), "Upstash-Cron": cron}
    path = f"/v2/schedules/{tail(destination)}"
    return Call("POST", path, lambda answer: str(record(answer)["scheduleId"]), (), told, body, repeatable=False)


def pause_schedule(schedule_id: str) -> Call[None]:
    """Let a schedule make nothing more."""
    return Call("PATCH", f"/v2/schedules/{segment(schedule_id)}/pause", nothing)


def resume_schedule(schedule_id: str) -> Call[None]:
    """Let a schedule go on."""
    return Call("PATCH", f"/v2/schedules/{segment(schedule_id)}/resume", nothing)


def delete_schedule(schedule_id: str) -> Call[None]:
    """Delete a schedule."""
    return Call("DELETE", f"/v2/schedules/{segment(schedule_id)}", nothing)


# URL groups


def url_groups() -> Call[list[Shape]]:
    """List the URL groups."""
    return Call("GET", "/v2/topics", array)


def url_group(name: str) -> Call[Shape]:
    """Look at a URL group."""
    return Call("GET", f"/v2/topics/{segment(name)}", record)


def add_endpoints(name: str, endpoints: Sequence[Mapping[str, str]]) -> Call[None]:
    """Add endpoints (`url`, perhaps `name`) to a URL group, which is made if need be."""
    body = _dump({"endpoints": list(endpoints)})
    return Call("POST", f"/v2/topics/{segment(name)}/endpoints", nothing, (), _JSON, body)


def remove_endpoints(name: str, endpoints: Sequence[Mapping[str, str]]) -> Call[None]:
    """Remove endpoints (by `url` or `name`) from a URL group."""
    body = _dump({"endpoints": list(endpoints)})
    return Call("DELETE", f"/v2/topics/{segment(name)}/endpoints", nothing, (), _JSON, body)


def delete_url_group(name: str) -> Call[None]:
    """Delete a URL group."""
    return Call("DELETE", f"/v2/topics/{segment(name)}", nothing)


# Dead letters


def dead_letters(which: Filter | None = None, *, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List messages that failed for good, oldest first unless the filter has an `order`."""
    query = pairs({**(which or {}), "count": count, **({"cursor": cursor} if cursor else {})})
    return Call("GET", "/v2/dlq", lambda answer: page(answer, "messages"), query)


def dead_letter(dlq_id: str) -> Call[Shape]:
    """Look at a dead letter."""
    return Call("GET", f"/v2/dlq/{segment(dlq_id)}", record)


def retry_dead_letters(which: Filter) -> Call[list[Shape]]:
    """Publish dead letters again; says their new message ids.

    Raises:
        ValueError: the filter is empty.
    """
    if not which:
        raise ValueError("the filter is empty: name what to retry")
    return Call("POST", "/v2/dlq/retry", _retried, pairs(which), repeatable=False)


def delete_dead_letters(which: Filter) -> Call[int]:
    """Forget dead letters; says how many.

    Raises:
        ValueError: the filter is empty.
    """
    if not which:
        raise ValueError("the filter is empty: name what to delete")
    return Call("DELETE", "/v2/dlq", _number("deleted"), pairs(which))


# Flow control


def flow_keys(search: str | None = None) -> Call[list[Shape]]:
    """List the flow-control keys, those whose name contains `search` if it is given."""
    return Call("GET", "/v2/flowControl", array, (("search", search),) if search else ())


def flow_key(key: str) -> Call[Shape]:
    """Look at a flow-control key: its limits, and what is used of them now."""
    return Call("GET", f"/v2/flowControl/{segment(key)}", record)


def global_parallelism() -> Call[Shape]:
    """Look at how many attempts are in flight, and how many may be."""
    return Call("GET", "/v2/globalParallelism", record)


def pause_flow(key: str) -> Call[None]:
    """Let nothing more start under a key."""
    return Call("POST", f"/v2/flowControl/{segment(key)}/pause", nothing)


def resume_flow(key: str) -> Call[None]:
    """Let a key go on."""
    return Call("POST", f"/v2/flowControl/{segment(key)}/resume", nothing)


def pin_flow(
    key: str, *, parallelism: int | None = None, rate: int | None = None, period: int | None = None
) -> Call[None]:
    """Hold limits against what messages ask for; the period is in seconds."""
    given = {"parallelism": parallelism, "rate": rate, "period": period}
    query = pairs({name: value for name, value in given.items() if value is not None})
    return Call("POST", f"/v2/flowControl/{segment(key)}/pin", nothing, query)


def unpin_flow(key: str, *, parallelism: bool = True, rate: bool = True) -> Call[None]:
    """Let messages set the limits again."""
    query = pairs({"parallelism": str(parallelism).lower(), "rate": str(rate).lower()})
    return Call("POST", f"/v2/flowControl/{segment(key)}/unpin", nothing, query)


def reset_flow_rate(key: str) -> Call[None]:
    """Begin a new window of a key's rate now."""
    return Call("POST", f"/v2/flowControl/{segment(key)}/resetRate", nothing)


# Signing keys


def signing_keys() -> Call[Shape]:
    """Look at the current and the next signing key."""
    return Call("GET", "/v2/keys", record)


def rotate_signing_keys() -> Call[Shape]:
    """Make the next key the current one, and a new next one; says both."""
    return Call("POST", "/v2/keys/rotate", record, repeatable=False)


def pairs(given: Filter) -> Query:
    """Return query parameters; a sequence is the parameter given several times."""
    found: list[tuple[str, str]] = []
    for name, value in given.items():
        found += [(name, str(one)) for one in ([value] if isinstance(value, str | int) else value)]
    return tuple(found)


def _dump(value: object) -> bytes:
    return dump(value).encode()


def _number(name: str) -> Callable[[bytes], int]:
    return lambda answer: int(record(answer).get(name, 0))


def _either(answer: bytes) -> Shape | list[Shape]:
    return array(answer) if answer.lstrip().startswith(b"[") else record(answer)


def _published(answer: bytes) -> list[Shape]:
    """Read the answers of a batch; those of a URL group's endpoints stand in a list of their own."""
    answers = record(b'{"answers":' + answer + b"}")["answers"]
    return [one for entry in answers for one in (entry if isinstance(entry, list) else [entry])]


def _retried(answer: bytes) -> list[Shape]:
    return list(record(answer).get("responses", []))
