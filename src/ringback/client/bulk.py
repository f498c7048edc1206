"""Dead letters in bulk: what is done to all that fit a filter, a page at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ringback.client.calls import Call, record
from ringback.client.management import Filter, pairs

MOST_AT_ONCE = 100
"""Dead letters of one page."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one call has done.

    Attributes:
        count: how many dead letters it was done to.
        items: what was made of them: messages or runs; nothing where they were forgotten.
        cursor: give it to the next call; None after the last page.
    """

    count: int
    items: list[dict[str, Any]]
    cursor: str | None


Act = Callable[[Filter, str | None], Call[Part]]
"""Makes the call for one page of a filter, from a cursor on."""


def _act(method: str, path: str, made: str = "") -> Act:
    def part(answer: bytes) -> Part:
        told = record(answer)
        items = list(told.get(made, ())) if made else []
        return Part(len(items) if made else int(told.get("deleted", 0)), items, told.get("cursor") or None)

    def act(which: Filter, cursor: str | None) -> Call[Part]:
        query = pairs({**which, **({"cursor": cursor} if cursor else {})})
        return Call(method, path, part, query, repeatable=method == "DELETE")

    return act


retry_messages = _act("POST", "/v2/dlq/retry", "responses")
forget_messages = _act("DELETE", "/v2/dlq")
resume_runs = _act("POST", "/v2/workflows/dlq/resume", "workflowRuns")
restart_runs = _act("POST", "/v2/workflows/dlq/restart", "workflowRuns")
forget_runs = _act("DELETE", "/v2/workflows/dlq")
rerun_failure_functions = _act("POST", "/v2/workflows/dlq/callback", "workflowRuns")


def chosen(ids: tuple[str, ...]) -> Iterator[Filter]:
    """Yield filters that choose these dead letters, a page each."""
    for at in range(0, len(ids), MOST_AT_ONCE):
        yield {"dlqIds": ids[at : at + MOST_AT_ONCE]}


def until(which: Filter, now: int) -> Filter:
    """Return a filter that leaves out what fails from now on: what has just been tried is not tried twice in a breath.

    Args:
        which: may have a `toDate` of its own.
        now: milliseconds since the epoch.
    """
    asked = which.get("toDate")
    given = asked if isinstance(asked, str | int) or asked is None else asked[0]
    return {**which, "toDate": now if given is None else min(int(given), now), "count": MOST_AT_ONCE}
