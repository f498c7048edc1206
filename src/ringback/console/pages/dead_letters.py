"""Dead letters of messages and of runs: found by filters, sent again or forgotten, some or all that fit."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from ringback.client import Page
from ringback.client import dead_letters as of_runs
from ringback.client.insight import failed_runs
from ringback.client.management import dead_letters, delete_dead_letters, retry_dead_letters
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views.history import api_filter

FILTERS = (
    ("url", "URL"),
    ("host", "Host"),
    ("path", "Path"),
    ("responseStatus", "Status of the answer"),
    ("queueName", "Queue"),
    ("topicName", "URL group"),
    ("label", "Label"),
    ("flowControlKey", "Flow-control key"),
    ("scheduleId", "Schedule id"),
    ("messageId", "Message id"),
    ("callerIp", "Caller IP"),
)
RUN_FILTERS = (
    ("workflowUrl", "Workflow URL"),
    ("workflowRunId", "Run id"),
    ("responseStatus", "Status of the answer"),
    ("label", "Label"),
    ("host", "Host"),
    ("path", "Path"),
    ("flowControlKey", "Flow-control key"),
    ("callerIp", "Caller IP"),
)
_DATES = ("fromDate", "toDate")
_PAGE = 50
_AT_ONCE = 100
_MOST_ROUNDS = 100
"""One deed goes through at most 10,000 dead letters; then it says how far it came."""


def _names(filters: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return (*(name for name, _ in filters), *_DATES)


async def load_messages(visit: Visit) -> Values:
    """Messages that were given up."""
    which = api_filter(visit.given, _names(FILTERS))
    asked = {**which, "order": "latestFirst"}
    found = await visit.ask(dead_letters(asked, cursor=visit.one("cursor") or None, count=_PAGE))
    return {"filters": FILTERS, "given": which, "letters": found.items, "cursor": found.cursor}


async def load_runs(visit: Visit) -> Values:
    """Runs that failed."""
    which = api_filter(visit.given, _names(RUN_FILTERS))
    found = await visit.ask(failed_runs(which, cursor=visit.one("cursor") or None, count=_PAGE))
    return {"filters": RUN_FILTERS, "given": which, "letters": found.items, "cursor": found.cursor}


_Act = Callable[[Visit, Sequence[str]], Awaitable[int]]


async def _retry(visit: Visit, ids: Sequence[str]) -> int:
    return len(await visit.ask(retry_dead_letters({"dlqIds": list(ids)})))


async def _delete(visit: Visit, ids: Sequence[str]) -> int:
    return await visit.ask(delete_dead_letters({"dlqIds": list(ids)}))


async def _resume(visit: Visit, ids: Sequence[str]) -> int:
    return len(await visit.ask(of_runs.resume(*ids)))


async def _restart(visit: Visit, ids: Sequence[str]) -> int:
    return len(await visit.ask(of_runs.restart(*ids)))


async def _forget(visit: Visit, ids: Sequence[str]) -> int:
    return await visit.ask(of_runs.delete_dead_letters(*ids))


def _bulk(act: _Act, done: str, place: str, filters: Sequence[tuple[str, str]], of_runs_: bool) -> Deed:
    """Return a deed on the dead letters that were chosen, or on all that fit a filter."""

    async def do(visit: Visit) -> Done:
        ids = visit.given.get("dlqId", ())
        if ids:
            return Done(f"{await _in_parts(visit, ids, act)} {done}.", f"{ROOT}{place}")
        if visit.one("scope") != "all":
            raise ValueError("Nothing is chosen: tick the lines that are meant.")
        which = api_filter(visit.given, _names(filters))
        total, is_over = await _all(visit, which, act, of_runs_=of_runs_)
        more = "" if is_over else " There are more: do it again."
        return Done(f"{total} {done}.{more}", f"{ROOT}{place}")

    return Deed(f"{place}/{done.rsplit(maxsplit=1)[-1]}", do)


async def _in_parts(visit: Visit, ids: Sequence[str], act: _Act) -> int:
    return sum([await act(visit, ids[at : at + _AT_ONCE]) for at in range(0, len(ids), _AT_ONCE)])


async def _all(visit: Visit, which: Mapping[str, Sequence[str]], act: _Act, *, of_runs_: bool) -> tuple[int, bool]:
    """Act on everything that fits, a page at a time; each page is gone once it was acted on."""
    total = 0
    for _ in range(_MOST_ROUNDS):
        page = await _first(visit, which, of_runs_=of_runs_)
        if not page.items:
            return total, True
        total += await act(visit, [one["dlqId"] for one in page.items])
    return total, False


async def _first(visit: Visit, which: Mapping[str, Sequence[str]], *, of_runs_: bool) -> Page:
    """The oldest page: what has just failed again comes last, and is not tried twice in a breath."""
    before = {"toDate": str(visit.now), **which}
    return await visit.ask(failed_runs(before) if of_runs_ else dead_letters(before, count=_AT_ONCE))


_OF_MESSAGES, _OF_RUNS = "/dead-letters", "/dead-letters/runs"
SECTION = Section(
    (
        Screen(_OF_MESSAGES, "dead_letters.html", load_messages, "Dead letters", "Watch"),
        Screen(_OF_RUNS, "dead_runs.html", load_runs, "Dead letters"),
    ),
    (
        _bulk(_retry, "messages are published again and retried", _OF_MESSAGES, FILTERS, of_runs_=False),
        _bulk(_delete, "dead letters are deleted", _OF_MESSAGES, FILTERS, of_runs_=False),
        _bulk(_resume, "runs are resumed", _OF_RUNS, RUN_FILTERS, of_runs_=True),
        _bulk(_restart, "runs are restarted", _OF_RUNS, RUN_FILTERS, of_runs_=True),
        _bulk(_forget, "dead letters are deleted", _OF_RUNS, RUN_FILTERS, of_runs_=True),
    ),
)
