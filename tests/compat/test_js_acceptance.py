"""Scenarios of several steps in the official JavaScript SDK, with the number of requests each costs the endpoint."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.endpoint import eventually
from support.node import Workflows, ended, log, requests, require_clients, trigger, workflows
from support.postgres import Server
from support.process import BrokerProcess, running

pytestmark = pytest.mark.node


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerProcess]:
    """A broker of its own on each kind of store."""
    server: Server | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    with running(server and server.fresh()) as process:
        yield process


@pytest.fixture(scope="module")
def app(broker: BrokerProcess) -> Iterator[Workflows]:
    require_clients()
    with workflows(broker, "acceptance.mjs") as running:
        yield running


def test_five_calls_and_a_sleep_are_twelve_requests(app: Workflows) -> None:
    run = ended(app, trigger(app, "five-calls", headers={"x-user": "mine"}))
    assert run["workflowRunResponse"] == '[{"a":"ü"},"1",null,null,null,"GET",200,"PUT",{"b":"ß"}]'
    assert requests(app, "five-calls") == 12


def test_calls_that_go_wrong_come_back_as_answers_and_fail_nothing(app: Workflows, broker: BrokerProcess) -> None:
    run = ended(app, trigger(app, "hard-calls"))
    assert run["workflowRunResponse"] == '[503,"down",504,200]'
    assert requests(app, "hard-calls") == 1 + 3 * 2
    letters = httpx.get(f"{broker.url}/v2/dlq", headers={"Authorization": f"Bearer {broker.token}"}).json()["messages"]
    assert not [letter for letter in letters if letter["url"].startswith(app.url)]


def test_a_call_that_cannot_be_made_fails_the_run_with_the_reason(app: Workflows) -> None:
    run = ended(app, trigger(app, "wrong-call"))
    (failed,) = run["steps"][-1]["steps"]
    assert (run["workflowState"], failed["errors"][0]["status"]) == ("RUN_FAILED", 489)
    assert "Upstash-Retry-Delay" in failed["errors"][0]["body"]


def test_steps_that_are_awaited_later_are_one_group(app: Workflows) -> None:
    run = ended(app, trigger(app, "stacked-sleeps"))
    assert run["workflowRunResponse"] == '"xz"'
    assert requests(app, "stacked-sleeps") == 1 + 2 * 2 + 2 * 3


def test_a_workflow_without_a_step_fails_as_it_does_with_this_sdk(app: Workflows) -> None:
    """The SDK runs the code up to its first step to see whether the caller may; without one it says no, always."""
    run_id = trigger(app, "stops-early", retries=0)
    assert ended(app, run_id)["workflowState"] == "RUN_FAILED"
    eventually(lambda: log(app, run_id).get("failureFunction", {}).get("state") == "CALLBACK_FAIL")
    assert requests(app, "stops-early") == 2


def test_calls_beside_waits_come_together_twice(app: Workflows) -> None:
    run_id = trigger(app, "waiting", body="7")
    for event, data in (("one-7", {"n": 1}), ("two-7", "text")):
        eventually(lambda event=event: app.call("getWaiters", args=[{"eventId": event}]))
        app.call("notify", args=[{"eventId": event, "eventData": data}])
    run = ended(app, run_id)
    assert run["workflowRunResponse"] == '[true,200,{"n":1},200,"text"]'
    # the start, the wait in vain, twice (two plans, the call's answer, two results), the sleep, the last step
    assert requests(app, "waiting") == 1 + 1 + 2 * 5 + 1 + 1


def test_one_event_wakes_all_who_wait_for_it(app: Workflows) -> None:
    runs = [trigger(app, "listening") for _ in range(2)]
    eventually(lambda: len(app.call("getWaiters", args=[{"eventId": "shared"}])) == 2)
    assert len(app.call("notify", args=[{"eventId": "shared", "eventData": 5}])) == 2
    assert [ended(app, run)["workflowRunResponse"] for run in runs] == ["5", "5"]
    assert app.call("getWaiters", args=[{"eventId": "shared"}]) == []


def test_a_member_that_fails_is_told_from_its_siblings(app: Workflows) -> None:
    run = ended(app, trigger(app, "group-fails"))
    group = next(one for one in run["steps"] if one["type"] == "parallel")
    states = {step["stepName"]: step["state"] for step in group["steps"]}
    assert (states["bad"], states["fine"]) == ("STEP_FAILED", "STEP_SUCCESS")
    bad = next(step for step in group["steps"] if step["stepName"] == "bad")
    assert bad["errors"][0]["status"] == 489


def test_a_failure_is_told_to_another_address_where_one_is_given(app: Workflows) -> None:
    run_id = trigger(app, "outside", retries=0, failureUrl=f"{app.url}/told", body={"order": 1})
    assert ended(app, run_id)["workflowState"] == "RUN_FAILED"
    told: Any = eventually(lambda: httpx.get(f"{app.url}/told").json())
    assert (told["status"], told["workflowRunId"]) == (500, run_id)
    assert requests(app, "outside") == 1


def test_large_results_of_a_group_are_fetched(app: Workflows) -> None:
    run = ended(app, trigger(app, "big-results"))
    assert run["workflowRunResponse"] == f"[{2 * 1024 * 1024},{2 * 1024 * 1024}]"
    assert requests(app, "big-results") == 1 + 2 * 2


def test_functions_of_both_kinds_and_results_of_none(app: Workflows) -> None:
    assert ended(app, trigger(app, "mixed"))["workflowRunResponse"] == '["sync","async",true]'
    assert requests(app, "mixed") == 4


def test_a_tree_of_invocations_comes_back_to_its_root(app: Workflows) -> None:
    run = ended(app, trigger(app, "family/tree"))
    assert run["workflowRunResponse"] == '[[1,2],{"count":7,"label":"kid","header":"yes"}]'
    # two plans and two results; the same for the branch; the start and one step for each of the three leaves
    assert requests(app, "tree") == 1 + 2 * 2
    assert requests(app, "branch") == 1 + 2 * 2
    assert requests(app, "leaf") == 3 * 2


def test_a_canceled_child_is_told_to_its_parent(app: Workflows) -> None:
    run_id = trigger(app, "family/guardian", body="7")
    eventually(lambda: app.call("getWaiters", args=[{"eventId": "leaf-7"}]))
    assert app.call("cancel", args=["wfr_kid-7"]) == {"cancelled": 1}
    assert ended(app, run_id)["workflowRunResponse"] == "[true,false]"


def test_a_child_whose_parent_has_failed_ends_by_itself(app: Workflows) -> None:
    parent = trigger(app, "family/careless", body="8", retries=0)
    eventually(lambda: app.call("getWaiters", args=[{"eventId": "leaf-8"}]))
    assert ended(app, parent)["workflowState"] == "RUN_FAILED"
    before = requests(app, "careless")
    app.call("notify", args=[{"eventId": "leaf-8", "eventData": "late"}])
    assert ended(app, "wfr_kid-8")["workflowState"] == "RUN_SUCCESS"
    assert requests(app, "careless") == before
    [group] = [one for one in log(app, parent)["steps"] if one["type"] == "parallel"]
    assert {step["stepName"]: step["state"] for step in group["steps"]} == {
        "kid": "STEP_SUCCESS",
        "fail": "STEP_FAILED",
    }


def test_failed_runs_are_listed_page_by_page(app: Workflows) -> None:
    runs = {trigger(app, "outside", retries=0, label="paged") for _ in range(3)}
    for run in runs:
        ended(app, run)
    first = app.call("dlq", "list", args=[{"count": 2, "filter": {"label": "paged"}}])
    rest = app.call("dlq", "list", args=[{"count": 2, "filter": {"label": "paged"}, "cursor": first["cursor"]}])
    assert {one["workflowRunId"] for one in first["messages"] + rest["messages"]} == runs
    assert not rest.get("cursor")
