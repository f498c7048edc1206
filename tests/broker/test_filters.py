"""Every filter that the command line and the console offer: of two kinds of things it chooses the one that is meant."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

import click
import pytest

from ringback.cli import dlq, events, filters, messages
from ringback.cli import runs as run_commands
from ringback.client import bulk, insight, management
from ringback.client.calls import Call
from ringback.console.pages import dead_letters, history, runs
from ringback.wire.http import Outbound, Outcome
from support.inprocess import InProcess, inprocess

HOUR = 3_600_000
OF_SDK = (("Upstash-Workflow-Sdk-Version", "1"), ("Upstash-workflow-sdk", "v1.3.2"))
NUMBERS = (1, 2)
Which = dict[str, str]


class Kind(NamedTuple):
    """Things of one kind: for each filter the value that chooses among them, and the ids of those it chooses."""

    values: Which
    chosen: dict[str, set[str]]
    ids: set[str]


Kinds = dict[int, Kind]
Choose = Callable[[InProcess, Which], Awaitable[set[str]]]


class List(NamedTuple):
    """A list, or what can be done to all that fit.

    Attributes:
        offered: the filters that the command line and the console have for it.
        statuses: what the endpoints of the two kinds answer.
        make: makes things of one kind.
        choose: returns the ids of what a filter chooses.
        delay: what is chosen from has not been attempted yet.
    """

    offered: set[str]
    statuses: tuple[int, int]
    make: Callable[[InProcess, int, str], Awaitable[Kind]]
    choose: Choose
    delay: str = "0s"


def about_of(number: int) -> dict[str, str]:
    """Return headers that messages and runs are filtered by."""
    return {
        "upstash_label": f"l{number}",
        "upstash_flow_control_key": f"k{number}",
        "upstash_flow_control_value": "parallelism=9",
        "upstash_retries": "0",
    }


async def make_messages(ringed: InProcess, number: int, delay: str) -> Kind:
    """Publish by way of everything that a message is filtered by."""
    url, queue, group, schedule = f"https://host{number}.example/path{number}", f"q{number}", f"g{number}", f"s{number}"
    ringed.caller = f"192.0.2.{number}"
    about = about_of(number) | {"upstash_delay": delay}
    await ringed.call("POST", f"/v2/topics/{group}/endpoints", {"endpoints": [{"url": url}]})
    plain = await ringed.enqueue(queue, url, **about)
    (of_group,) = (await ringed.call("POST", f"/v2/enqueue/{queue}/{group}", b"x", **about)).json
    more = {"upstash_cron": "0 0 1 1 *", "upstash_schedule_id": schedule, "upstash_queue_name": queue}
    await ringed.call("POST", f"/v2/schedules/{url}", b"x", **about, **more)
    (of_schedule,) = (await ringed.call("POST", f"/v2/schedules/{schedule}/run")).json["messageIds"]
    ids = {plain, of_group["messageId"], of_schedule}
    values = {
        "messageId": plain,
        "url": url,
        "host": f"host{number}.example",
        "path": f"/path{number}",
        "topicName": group,
        "queueName": queue,
        "scheduleId": schedule,
        "label": f"l{number}",
        "flowControlKey": f"k{number}",
        "callerIp": ringed.caller,
        "state": {1: "FAILED", 2: "DELIVERED"}[number],
        "responseStatus": f"50{number}",
    }
    some = {"messageId": {plain}, "topicName": {of_group["messageId"]}, "scheduleId": {of_schedule}}
    return Kind(values, dict.fromkeys(values, ids) | some, ids)


async def make_runs(ringed: InProcess, number: int, _: str) -> Kind:
    """Start a run."""
    url = f"https://host{number}.example/path{number}"
    ringed.caller = f"192.0.2.{number}"
    about = about_of(number) | {
        "upstash_failure_callback": f"https://failed{number}.example/",
        "upstash_failure_callback_retries": "0",
    }
    run = str((await ringed.call("POST", f"/v2/trigger/{url}", b"{}", **about)).json["workflowRunId"])
    values = {
        "workflowUrl": url,
        "workflowRunId": run,
        "host": f"host{number}.example",
        "path": f"/path{number}",
        "label": f"l{number}",
        "flowControlKey": f"k{number}",
        "callerIp": ringed.caller,
        "state": {1: "RUN_FAILED", 2: "RUN_STARTED"}[number],
        "responseStatus": f"50{number}",
        "failureFunctionState": {1: "CALLBACK_FAIL", 2: "CALLBACK_SUCCESS"}[number],
    }
    ids = {run}
    return Kind(values, dict.fromkeys(values, ids), ids)


async def ask(ringed: InProcess, call: Call[Any]) -> Any:
    """Send what a client sends."""
    answer = await ringed.call(call.method, f"{call.path}?{urlencode(call.query)}", call.body)
    assert answer.status < 300, answer
    return call.parse(answer.text.encode())


async def ids_of(ringed: InProcess, call: Call[Any], name: str = "messageId") -> set[str]:
    return {one[name] for one in (await ask(ringed, call)).items}


def done_to(act: bulk.Act, list_all: Callable[[], Call[Any]], name: str) -> Choose:
    """Choose by doing something to all that fit, after which they are in the list no more."""

    async def choose(ringed: InProcess, which: Which) -> set[str]:
        before = await ids_of(ringed, list_all(), name)
        await ask(ringed, act(bulk.until(which, ringed.at), None))
        ringed.respond = lambda _: Outcome(200)
        await ringed.settle()
        return before - await ids_of(ringed, list_all(), name)

    return choose


async def canceled(ringed: InProcess, which: Which) -> set[str]:
    await ask(ringed, management.cancel_messages(which))
    return await ids_of(ringed, management.events({"state": "CANCELED"}))


def letters_of(act: bulk.Act) -> Choose:
    return done_to(act, management.dead_letters, "messageId")


def failed_of(act: bulk.Act) -> Choose:
    return done_to(act, insight.failed_runs, "workflowRunId")


def failed_functions() -> Call[Any]:
    return insight.failed_runs({"failureFunctionState": "CALLBACK_FAIL"})


def options(*commands: click.Command) -> set[str]:
    """Return the filters for which commands have options."""
    known = {f"filter_{name.lower()}": name for name in filters._OPTIONS}
    return {known[one.name] for command in commands for one in command.params if one.name in known}


ABOUT_EVENTS = options(events.events) | set(history._NAMES) - {"order"}
ABOUT_LETTERS = options(*dlq.dlq.commands.values()) | set(dead_letters._names(dead_letters.FILTERS))
ABOUT_FAILED = {*options(run_commands.list_letters, run_commands.resume), *dead_letters._names(dead_letters._OF_RUN)}
LISTS = {
    "events": List(
        ABOUT_EVENTS, (500, 200), make_messages, lambda ringed, which: ids_of(ringed, management.events(which))
    ),
    "messages to cancel": List(
        options(messages.cancel) | set(history._CANCEL), (200, 200), make_messages, canceled, "48h"
    ),
    "dead letters": List(
        ABOUT_LETTERS, (501, 502), make_messages, lambda ringed, which: ids_of(ringed, management.dead_letters(which))
    ),
    "dead letters to retry": List(ABOUT_LETTERS, (501, 502), make_messages, letters_of(bulk.retry_messages)),
    "dead letters to forget": List(ABOUT_LETTERS, (501, 502), make_messages, letters_of(bulk.forget_messages)),
    "runs": List(
        options(run_commands.list_runs) | set(runs._NAMES),
        (500, 200),
        make_runs,
        lambda ringed, which: ids_of(ringed, insight.runs(which), "workflowRunId"),
    ),
    "failed runs": List(
        ABOUT_FAILED,
        (501, 502),
        make_runs,
        lambda ringed, which: ids_of(ringed, insight.failed_runs(which), "workflowRunId"),
    ),
    "failed runs to resume": List(ABOUT_FAILED, (501, 502), make_runs, failed_of(bulk.resume_runs)),
    "failed runs to restart": List(ABOUT_FAILED, (501, 502), make_runs, failed_of(bulk.restart_runs)),
    "failed runs to forget": List(ABOUT_FAILED, (501, 502), make_runs, failed_of(bulk.forget_runs)),
    "failure functions to call again": List(
        ABOUT_FAILED - {"failureFunctionState"},  # it can only ask for those that have failed
        (501, 502),
        make_runs,
        done_to(bulk.rerun_failure_functions, failed_functions, "workflowRunId"),
    ),
}


CASES = [
    pytest.param(about, field, id=f"{name}-{field}") for name, about in LISTS.items() for field in sorted(about.offered)
]


async def two_kinds(ringed: InProcess, about: List, field: str) -> Kinds:
    """Make things of both kinds, an hour apart, and let come what comes of them."""
    function_succeeds = 2 if field == "failureFunctionState" else 0

    def respond(outbound: Outbound) -> Outcome:
        number = 1 if "1.example" in outbound.url else 2
        if "failed" in outbound.url:
            return Outcome(200 if number == function_succeeds else 500)
        return Outcome(about.statuses[number - 1], list(OF_SDK))

    ringed.respond = respond
    kinds = {}
    for number in NUMBERS:
        kinds[number] = await about.make(ringed, number, about.delay)
        await ringed.turn(HOUR)
    return kinds


@pytest.mark.parametrize(("about", "field"), CASES)
async def test_a_filter_that_is_offered_chooses_what_is_meant(about: List, field: str) -> None:
    async with inprocess() as ringed:
        begun = ringed.at
        kinds = await two_kinds(ringed, about, field)
        if field in ("fromDate", "toDate"):
            value, expected = {
                "fromDate": (str(begun + HOUR), kinds[2].ids),
                "toDate": (str(begun + HOUR - 1), kinds[1].ids),
            }[field]
        else:
            value, expected = kinds[1].values[field], kinds[1].chosen[field]
        assert await about.choose(ringed, {field: value}) == expected
