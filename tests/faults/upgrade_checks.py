"""What a broker has to say after the upgrade run, whichever release it is: the ledger's word against its history."""

import re
from collections import Counter
from typing import Any
from urllib.parse import quote

from faults.upgrade_ledger import FAILING, SETTLED_WITHIN, Ledger
from ringback.broker.ids import instant_of
from support.endpoint import eventually
from support.nodes import NodeProcess

_METRIC = re.compile(r"[a-z_]+(\{[^}]*\})? [0-9.e+-]+")
_ORDER_STEPS = 9
"""Steps of `order`: the first, a sleep, two side by side, a wait, a call, an invoked run, the last; and what begins it."""


def pages(node: NodeProcess, path: str, name: str) -> list[dict[str, Any]]:
    """Return all of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        separator = "&" if "?" in path else "?"
        answer = node.call("GET", f"{path}{separator}cursor={quote(cursor)}" if cursor else path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        told = answer.json()
        found += told[name]
        cursor = told.get("cursor") or ""
        if not cursor:
            return found


def at_rest(node: NodeProcess) -> None:
    """Wait until nothing is under way any more."""

    def is_idle() -> bool:
        queues = node.call("GET", "/v2/queues").json()
        keys = node.call("GET", "/v2/flowControl").json()
        busy = [one for one in queues if one["lag"]]
        busy += [one for one in keys if one["parallelismCount"] or one["waitListSize"]]
        return not busy and node.call("GET", "/v2/globalParallelism").json()["parallelismCount"] == 0

    eventually(is_idle, SETTLED_WITHIN)


def runs_have_ended(node: NodeProcess, ledger: Ledger) -> None:
    """Wait until all runs have come to the end that is meant for them, and look at what came of them."""

    def states() -> dict[str, str]:
        found = pages(node, "/v2/workflows/logs", "runs")
        return {one["workflowRunId"]: one["workflowState"] for one in found}

    def still_open() -> list[str]:
        known = states()
        return [one for one in ledger.runs if known.get(one) in (None, "RUN_STARTED")]

    try:
        eventually(lambda: not still_open(), SETTLED_WITHIN)
    except AssertionError as error:
        why = [node.call("GET", f"/v2/why/{one}").text for one in still_open()[:3]]
        raise AssertionError(f"{len(still_open())} runs have not ended: {why}") from error
    for one in pages(node, "/v2/workflows/logs", "runs"):
        workflow, name = ledger.runs.get(one["workflowRunId"], ("", ""))
        if workflow == "order":
            assert one["workflowState"] == "RUN_SUCCESS", str(one)[-1500:]
            told = one["workflowRunResponse"]
            assert all(f"{step} of {name}" in told for step in ("first", "left", "right", "event", "child", "last")), (
                told
            )
            counted = Counter(step["stepName"] for group in one["steps"] for step in group["steps"])
            assert set(counted.values()) == {1}, counted
        elif workflow == "doomed":
            assert one["workflowState"] == "RUN_FAILED", str(one)[-1500:]


def history_is_whole(node: NodeProcess, ledger: Ledger) -> None:
    """Each acknowledged message is in the history with one end, and filters find what is there."""
    events = pages(node, "/v2/logs", "logs")
    ends = Counter(one["messageId"] for one in events if one["state"] in ("DELIVERED", "FAILED", "CANCELED"))
    twice = {one for one, count in ends.items() if count > 1}
    assert not twice, f"ended twice: {sorted(twice)[:5]}"
    without = set(ledger.acknowledged) - set(ends) - ledger.of("/never")
    assert not without, f"without an end: {len(without)}, {sorted(without)[:5]}"
    canceled = {one["messageId"] for one in events if one["state"] == "CANCELED"}
    assert ledger.canceled <= canceled, f"not canceled: {sorted(ledger.canceled - canceled)[:5]}"
    url = ledger.endpoint.url
    queries = {
        "state=DELIVERED": lambda one: one["state"] == "DELIVERED",
        "state=RETRY": lambda one: one["state"] == "RETRY",
        "label=of-plain": lambda one: one.get("label") == "of-plain",
        "queueName=line": lambda one: one.get("queueName") == "line",
        f"url={url}/keyed": lambda one: one["url"].startswith(f"{url}/keyed"),
        "flowControlKey=key&state=DELIVERED": lambda one: (
            one.get("flowControlKey") == "key" and one["state"] == "DELIVERED"
        ),
    }
    for query, fits in queries.items():
        wanted = Counter((one["messageId"], one["state"], one["time"]) for one in events if fits(one))
        found = Counter(
            (one["messageId"], one["state"], one["time"]) for one in pages(node, f"/v2/logs?{query}", "logs")
        )
        assert found == wanted, f"{query}: {sum(found.values())} found of {sum(wanted.values())}"


def dead_letters_are_there(node: NodeProcess, ledger: Ledger) -> None:
    """What was given up has its dead letter, once; runs that failed have theirs, and are found by filters."""
    letters = Counter(one["messageId"] for one in pages(node, "/v2/dlq", "messages"))
    wanted = ledger.of(*FAILING)
    assert set(letters) >= wanted, f"without a dead letter: {sorted(wanted - set(letters))[:5]}"
    assert set(letters.values()) <= {1}
    found = {one["messageId"] for one in pages(node, f"/v2/dlq?url={ledger.endpoint.url}/dead", "messages")}
    assert found >= wanted
    doomed = {run for run, (workflow, _) in ledger.runs.items() if workflow == "doomed"}
    of_runs = Counter(one["workflowRunId"] for one in pages(node, "/v2/workflows/dlq", "messages"))
    assert set(of_runs) == doomed
    assert set(of_runs.values()) <= {1}


def ticks_came_once(ledger: Ledger) -> None:
    """A schedule of each minute made one message for each."""
    for schedule, messages in ledger.ticks.items():
        minutes = sorted(instant_of(int(one.removeprefix("msg_"), 16)) // 60_000 for one in messages)
        assert minutes == list(range(minutes[0], minutes[-1] + 1)), f"{schedule}: {minutes}"


def metrics_are_fine(node: NodeProcess) -> None:
    """The page can be read by Prometheus and counts."""
    answer = node.call("GET", "/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert not [line for line in lines if not _METRIC.fullmatch(line)]


def everything(node: NodeProcess, ledger: Ledger) -> None:
    """All of it."""
    runs_have_ended(node, ledger)
    at_rest(node)
    history_is_whole(node, ledger)
    dead_letters_are_there(node, ledger)
    metrics_are_fine(node)
    for path in ("schedules", "topics", "bulkActions", "statistics", "audit", "keys", "account", "settings", "stalled"):
        answer = node.call("GET", f"/v2/{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
