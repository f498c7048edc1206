"""Dead letters of messages and of runs: found by filters, sent again or forgotten, some or all that fit."""

from collections.abc import Mapping, Sequence

from ringback.client import bulk
from ringback.client.calls import segment
from ringback.client.insight import failed_runs
from ringback.client.management import dead_letters
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
FUNCTION_STATES = ("CALLBACK_FAIL", "CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_CANCELED")
_OF_RUN = (*RUN_FILTERS, ("failureFunctionState", "Failure function"))
_DATES = ("fromDate", "toDate")
_PAGE = 50
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
    which = api_filter(visit.given, _names(_OF_RUN))
    asked = {**which, "order": "latestFirst"}
    found = await visit.ask(failed_runs(asked, cursor=visit.one("cursor") or None, count=_PAGE))
    return {
        "filters": RUN_FILTERS,
        "functions": FUNCTION_STATES,
        "given": which,
        "letters": found.items,
        "cursor": found.cursor,
        "recallable": any(one.get("failureFunctionState") == "CALLBACK_FAIL" for one in found.items),
    }


def _bulk(act: bulk.Act, name: str, done: str, place: str, filters: Sequence[tuple[str, str]]) -> Deed:
    """Return a deed on the dead letters that were chosen, or on all that fit a filter."""

    async def do(visit: Visit) -> Done:
        if visit.one("scope") == "all":
            total, is_over = await _all(visit, act, api_filter(visit.given, _names(filters)))
            more = "" if is_over else " There are more: do it again."
            return Done(f"{total} {done}.{more}", f"{ROOT}{place}")
        ids = visit.given.get("dlqId", ())
        if not ids:
            raise ValueError("Nothing is chosen: tick the lines that are meant.")
        parts = [await visit.ask(act(one, None)) for one in bulk.chosen(ids)]
        told = f"{_of(sum(part.count for part in parts), len(ids))} {done}."
        made = parts[0].items if len(ids) == 1 else []
        return Done(told, f"{ROOT}{_page_of(made[0]) if made else place}")

    return Deed(f"{place}/{name}", do)


def _page_of(made: Mapping[str, str]) -> str:
    """Return where to look at what was made of a single dead letter."""
    message = made.get("messageId")
    return f"/messages/{segment(message)}" if message else f"/runs/{segment(made['workflowRunId'])}"


def _of(done: int, chosen: int) -> str:
    return str(done) if done == chosen else f"{done} of {chosen}"


async def _all(visit: Visit, act: bulk.Act, which: Mapping[str, Sequence[str]]) -> tuple[int, bool]:
    """Act on everything that fits, a page at a time, and say whether that was all."""
    asked = bulk.until(which, visit.now)
    total, cursor = 0, None
    for _ in range(_MOST_ROUNDS):
        part = await visit.ask(act(asked, cursor))
        total, cursor = total + part.count, part.cursor
        if cursor is None:
            return total, True
    return total, False


_OF_MESSAGES, _OF_RUNS = "/dead-letters", "/dead-letters/runs"
SECTION = Section(
    (
        Screen(_OF_MESSAGES, "dead_letters.html", load_messages, "Dead letters", "Watch"),
        Screen(_OF_RUNS, "dead_runs.html", load_runs, "Dead letters"),
    ),
    (
        _bulk(bulk.retry_messages, "retried", "published again", _OF_MESSAGES, FILTERS),
        _bulk(bulk.forget_messages, "deleted", "deleted", _OF_MESSAGES, FILTERS),
        _bulk(bulk.resume_runs, "resumed", "resumed, as new runs", _OF_RUNS, _OF_RUN),
        _bulk(bulk.restart_runs, "restarted", "restarted, as new runs", _OF_RUNS, _OF_RUN),
        _bulk(bulk.forget_runs, "deleted", "deleted", _OF_RUNS, _OF_RUN),
        _bulk(bulk.rerun_failure_functions, "called", "failure functions called again", _OF_RUNS, _OF_RUN),
    ),
)
