"""The calls that look at how an account is doing, as values (additions of ours to the reference's API)."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ringback.client.calls import Call, record, segment
from ringback.client.management import Filter, pairs
from ringback.client.runs import Page, page

Shape = dict[str, Any]


def account() -> Call[Shape]:
    """Ask whose token this is, and what it may do: `name`, `role` (`full`, `publish` or `read`), `tokens`."""
    return Call("GET", "/v2/account", record)


def settings_in_force() -> Call[Shape]:
    """Ask what the broker was told at start; secrets are hidden, durations in milliseconds."""
    return Call("GET", "/v2/settings", record)


def audit(*, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List what administrators did, newest first."""
    query = pairs({"count": count, **({"cursor": cursor} if cursor else {})})
    return Call("GET", "/v2/audit", lambda answer: page(answer, "entries"), query)


def statistics(minutes: int = 60, *, wait: bool = True) -> Call[Shape]:
    """Ask for counts by the minute, and how much there is now: null where that takes long to count and nobody waits."""
    return Call("GET", "/v2/statistics", record, (("minutes", str(minutes)), ("wait", str(wait).lower())))


def runs(which: Filter | None = None, *, cursor: str | None = None, count: int = 10) -> Call[Page]:
    """List runs with their steps, newest first, by the filters of the reference; at most ten on a page."""
    asked = {**(which or {}), "groupBy": "workflowRunId", "count": count, **({"cursor": cursor} if cursor else {})}
    return Call("GET", "/v2/workflows/events", lambda answer: page(answer, "runs"), pairs(asked))


def failed_runs(which: Filter | None = None, *, cursor: str | None = None, count: int = 100) -> Call[Page]:
    """List dead letters of runs by the filters of the reference."""
    asked = {**(which or {}), "count": count, **({"cursor": cursor} if cursor else {})}
    return Call("GET", "/v2/workflows/dlq", lambda answer: page(answer, "messages"), pairs(asked))


def failed_run(dlq_id: str) -> Call[Shape]:
    """Look at the dead letter of a run."""
    return Call("GET", f"/v2/workflows/dlq/{segment(dlq_id)}", record)


def attempts(message_id: str, *, trim: int | None = None, trim_response: int | None = None) -> Call[Shape]:
    """Ask for every attempt to deliver a message, with its request and its answer.

    Args:
        message_id: whose.
        trim, trim_response: most bytes of the message's body, and of each answer's; -1 for none, None for all.
    """
    cuts = (("trimBody", trim), ("trimResponseBody", trim_response))
    query = tuple((name, str(value)) for name, value in cuts if value is not None)
    return Call("GET", f"/v2/messages/{segment(message_id)}/attempts", record, query)


def publish_again(message_id: str) -> Call[str]:
    """Publish a message once more, ended or not; says the new message's id."""
    path = f"/v2/messages/{segment(message_id)}/again"
    return Call("POST", path, lambda answer: str(record(answer)["messageId"]), repeatable=False)


def run_schedule(schedule_id: str) -> Call[list[str]]:
    """Let a schedule tick now; says the ids of the messages it made."""
    path = f"/v2/schedules/{segment(schedule_id)}/run"
    return Call("POST", path, lambda answer: list(record(answer)["messageIds"]), repeatable=False)


def what_went_wrong(letter: Mapping[str, Any]) -> str:
    """Return why a message or a run failed, in few words.

    Args:
        letter: a dead letter, or a failed attempt (whose answer stands in `body`).

    Returns:
        The broker's own reason where the answer is not one; of a workflow SDK's answer the error and its message; of any
        other the whole answer.
    """
    if letter.get("error") and 200 <= int(letter.get("responseStatus") or letter.get("status") or 0) < 300:
        return str(letter["error"])
    answer = str(letter.get("responseBody") or letter.get("body") or letter.get("error") or "")
    with suppress(ValueError):
        said = json.loads(answer)
        if isinstance(said, dict) and "message" in said:
            return f"{said.get('error') or 'error'}: {said['message']}"
    return answer
