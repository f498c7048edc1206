"""The official JavaScript workflow SDK, unmodified, behind Express with parsed bodies and signing keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.endpoint import eventually
from support.node import ENDED, Workflows, ended, log, requests, require_clients, trigger, workflows
from support.process import BrokerProcess, start

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def app(broker: BrokerProcess) -> Iterator[Workflows]:
    require_clients()
    with workflows(broker) as running:
        yield running


def settled_failure(app: Workflows, run_id: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        failure = log(app, run_id).get("failureFunction")
        return failure if failure and failure["state"] != "CALLBACK_INPROGRESS" else None

    return eventually(over)  # type: ignore[return-value]


def test_three_steps_are_four_requests(app: Workflows) -> None:
    run = ended(app, trigger(app, "three", body={"ü": 1}, label="gold", headers={"x-tenant": "acme"}))
    assert run["workflowState"] == "RUN_SUCCESS"
    assert run["workflowRunResponse"] == '{"sum":3,"got":{"ü":1},"labels":["gold"]}'
    assert requests(app, "three") == 4
    seen = httpx.get(f"{app.url}/counts").json()["seen"]["three"]
    assert {(one["tenant"], one["label"], one["version"]) for one in seen} == {("acme", "gold", "1")}
    assert [group["type"] for group in run["steps"]] == ["sequential"] * 4
    assert [group["steps"][0]["stepName"] for group in run["steps"]] == ["init", "a", "b", "c"]
    assert [group["steps"][0]["state"] for group in run["steps"]] == ["STEP_SUCCESS"] * 4
    assert run["label"] == "gold"


def test_a_start_by_url_makes_one_request_more(app: Workflows, broker: BrokerProcess) -> None:
    before = requests(app, "three")
    headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Label": "byurl", "Upstash-Forward-X-Tenant": "t"}
    answer = httpx.post(f"{broker.url}/v2/trigger/{app.url}/three", headers=headers, json={"n": 2}).json()
    assert isinstance(answer["workflowCreatedAt"], int)
    run = ended(app, answer["workflowRunId"])
    assert (run["workflowState"], run["workflowRunCreatedAt"]) == ("RUN_SUCCESS", answer["workflowCreatedAt"])
    assert requests(app, "three") - before == 5
    assert run["labels"] == ["byurl"]


def test_a_plain_publish_starts_a_run_too(app: Workflows, broker: BrokerProcess) -> None:
    before = requests(app, "three")
    headers = {"Authorization": f"Bearer {broker.token}"}
    httpx.post(f"{broker.url}/v2/publish/{app.url}/three", headers=headers, json={"n": 3})
    eventually(lambda: requests(app, "three") - before == 5)


def test_a_look_at_it_has_no_consequences(app: Workflows, broker: BrokerProcess) -> None:
    headers = {"Authorization": f"Bearer {broker.token}"}
    asked = {"url": f"{app.url}/three", "workflow": True}
    told = httpx.post(f"{broker.url}/v2/preflight", headers=headers, json=asked).json()
    good = {one["subject"] for one in told["findings"] if one["state"] == "good"}
    assert told["ok"] is True, told
    assert good >= {"reachable", "route", "signature", "clock"}
    runs = httpx.get(f"{broker.url}/v2/workflows/logs", headers=headers).json()["runs"]
    assert not any("preflight" in run["workflowRunId"] for run in runs)


def test_sleeps_are_slept_by_the_broker(app: Workflows) -> None:
    run = ended(app, trigger(app, "sleeps"))
    assert run["workflowRunResponse"] == '"slept"'
    assert requests(app, "sleeps") == 6
    assert run["workflowRunCompletedAt"] - run["workflowRunCreatedAt"] >= 1000


def test_parallel_groups_continue_once(app: Workflows) -> None:
    run = ended(app, trigger(app, "parallel"))
    assert run["workflowRunResponse"] == '[1,2,3,3,"é"]'
    assert requests(app, "parallel") == 1 + 2 * 3 + 2 * 2 + 1
    assert [(group["type"], len(group["steps"])) for group in run["steps"]] == [
        ("sequential", 1),
        ("parallel", 3),
        ("parallel", 2),
        ("sequential", 1),
    ]


def test_calls_are_made_by_the_broker(app: Workflows) -> None:
    run = ended(app, trigger(app, "calls", headers={"x-tenant": "acme"}))
    told = '{"method":"POST","body":{"q":"é"},"tenant":null,"auth":"Bearer v"}'
    assert run["workflowRunResponse"] == f'{{"ok":[200,{told},["yes"]],"bad":404,"gone":502}}'
    assert requests(app, "calls") == 1 + 2 * 3
    assert [step["steps"][0]["callType"] for step in run["steps"][1:]] == ["fromCallback"] * 3


def test_a_failing_step_ends_in_the_failure_function_and_the_dead_letters(app: Workflows) -> None:
    run_id = trigger(app, "fails", body={"p": 1}, retries=1, retryDelay="20")
    run = ended(app, run_id)
    assert run["workflowState"] == "RUN_FAILED"
    failure = settled_failure(app, run_id)
    assert (failure["state"], failure["failStatus"]) == ("CALLBACK_SUCCESS", 500)
    assert failure["responseBody"] == '{"result":"500 bad thing {\\"p\\":1}"}'
    assert requests(app, "fails") == 3
    last = run["steps"][-1]
    assert (last["type"], last["steps"][0]["state"]) == ("next", "STEP_FAILED")
    assert [error["status"] for error in last["steps"][0]["errors"]] == [500, 500]
    letters = app.call("dlq", "list", args=[{"filter": {"workflowRunId": run_id}}])["messages"]
    assert [letter["dlqId"] for letter in letters] == [run["dlqId"]]
    assert letters[0]["failureFunctionState"] == "CALLBACK_SUCCESS"
    app.call("dlq", "delete", args=[run["dlqId"]])


def test_a_non_retryable_error_stops_at_once(app: Workflows) -> None:
    run_id = trigger(app, "stops", retries=3)
    run = ended(app, run_id)
    assert run["steps"][-1]["steps"][0]["errors"][0]["status"] == 489
    eventually(lambda: "failureFunction" not in log(app, run_id))
    assert requests(app, "stops") == 2


def test_only_the_failed_step_is_tried_again(app: Workflows) -> None:
    run = ended(app, trigger(app, "flaky", retries=3, retryDelay="20"))
    assert run["workflowRunResponse"] == "[1,3]"


def test_a_failed_run_is_resumed_with_its_results_and_restarted_without(app: Workflows) -> None:
    run = ended(app, trigger(app, "resumable"))
    resumed = app.call("dlq", "resume", args=[{"dlqId": run["dlqId"]}])
    assert ended(app, resumed["workflowRunId"])["workflowRunResponse"] == '[1,"mended"]'
    assert resumed["workflowRunId"] != run["workflowRunId"]


def test_an_event_wakes_who_waits_and_time_wakes_who_waited_in_vain(app: Workflows) -> None:
    run_id = trigger(app, "waits", body={"order": 7})
    eventually(lambda: app.call("getWaiters", args=[{"eventId": "order/ü 7"}]))
    told = app.call("notify", args=[{"eventId": "order/ü 7", "eventData": {"paid": True}}])
    assert [one["workflowRunId"] for one in told] == [run_id]
    assert app.call("notify", args=[{"eventId": "order/ü 7", "eventData": 1}]) == []
    run = ended(app, run_id)
    assert run["workflowRunResponse"] == '{"eventData":{"paid":true},"timeout":false,"late":{"timeout":true}}'


def test_an_event_for_one_run_is_kept_until_it_waits(app: Workflows) -> None:
    run_id = trigger(app, "waits", body={"order": 8}, delay="1s")
    early = app.call("notify", args=[{"eventId": "order/ü 8", "eventData": "early", "workflowRunId": run_id}])
    assert len(early) == 1
    assert '"eventData":"early"' in ended(app, run_id)["workflowRunResponse"]


def test_a_workflow_notifies_another(app: Workflows) -> None:
    waiting = trigger(app, "waits", body={"order": 9})
    eventually(lambda: app.call("getWaiters", args=[{"eventId": "order/ü 9"}]))
    run = ended(app, trigger(app, "notifies", body={"event": "order/ü 9"}))
    assert run["workflowRunResponse"] == "1"
    assert "from" in ended(app, waiting)["workflowRunResponse"]


def test_a_webhook_is_heard_though_it_rang_before_anybody_listened(app: Workflows) -> None:
    run = ended(app, trigger(app, "webhooks"))
    assert run["workflowRunResponse"] == ('{"timeout":false,"method":"PUT","url":true,"body":"ding","header":"1"}')


def test_a_child_run_answers_its_parent(app: Workflows) -> None:
    run = ended(app, trigger(app, "many/parent"))
    assert run["workflowRunResponse"] == ('{"good":{"body":42,"isFailed":false,"isCanceled":false},"bad":true}')
    invoked = run["steps"][1]["steps"][0]
    assert invoked["invokedWorkflowUrl"].endswith("/many/child")
    child = log(app, invoked["invokedWorkflowRunId"])
    assert child["invoker"]["workflowRunId"] == run["workflowRunId"]


def test_a_run_cancels_itself(app: Workflows) -> None:
    run = ended(app, trigger(app, "cancels"))
    assert (run["workflowState"], "dlqId" in run) == ("RUN_CANCELED", False)


def test_runs_are_canceled_from_outside(app: Workflows) -> None:
    ids = [trigger(app, "sleeps", delay="1h", label="mass") for _ in range(3)]
    assert app.call("cancel", args=[ids[0]]) == {"cancelled": 1}
    assert app.call("cancel", args=[{"filter": {"label": "mass"}}]) == {"cancelled": 2}
    assert app.call("cancel", args=[{"filter": {"label": "mass"}}]) == {"cancelled": 0}
    assert log(app, ids[1])["steps"][-1]["steps"][0]["state"] == "STEP_CANCELED"


def test_a_run_id_in_use_is_not_started_twice(app: Workflows) -> None:
    first = trigger(app, "three", workflowRunId="mine", delay="1h")
    assert first == "wfr_mine"
    assert trigger(app, "three", workflowRunId="mine", delay="1h") == first
    assert app.call("cancel", args=[first]) == {"cancelled": 1}


def test_a_destination_that_is_no_workflow_is_told_at_once(app: Workflows) -> None:
    run = ended(app, trigger(app, "plain"))
    error = run["steps"][-1]["steps"][0]["errors"][0]
    assert error["error"].startswith("detected a non-workflow destination for trigger/invoke.")
    assert error["body"] == "I am no workflow"
    assert [group["type"] for group in run["steps"]] == ["sequential", "next"]


def test_a_large_state_is_fetched_by_the_endpoint(app: Workflows) -> None:
    run = ended(app, trigger(app, "large"))
    assert run["workflowRunResponse"] == str(3 * 1024 * 1024)
    assert requests(app, "large") == 3


def test_a_run_survives_the_death_of_the_broker(tmp_path: Path) -> None:
    """The broker is killed while the run sleeps, and started again on the same file and port."""
    require_clients()
    database = tmp_path / "ringback.db"
    broker = start("--db", str(database))
    port = broker.url.rpartition(":")[2]
    with workflows(broker) as app:
        run_id = trigger(app, "sleeps")
        eventually(lambda: requests(app, "sleeps") >= 3)
        broker.kill()
        again = start("--db", str(database), "--port", port)
        try:
            run = ended(app, run_id)
            assert run["workflowRunResponse"] == '"slept"'
        finally:
            for process in (broker.process, again.process):
                process.kill()
                process.wait(10)
                assert process.stdout
                process.stdout.close()


def test_a_workflow_without_any_framework(broker: BrokerProcess) -> None:
    require_clients()
    headers = {"Authorization": f"Bearer {broker.token}"}
    with workflows(broker, "plain.mjs") as plain:
        httpx.post(f"{broker.url}/v2/trigger/{plain.url}/wf", headers=headers, json={"ü": 1})

        def over() -> dict[str, Any] | None:
            params = {"workflowUrl": f"{plain.url}/wf"}
            runs = httpx.get(f"{broker.url}/v2/workflows/logs", headers=headers, params=params).json()["runs"]
            return runs[0] if runs and runs[0]["workflowState"] in ENDED else None

        run = eventually(over)
        assert run["workflowRunResponse"] == '{"sum":3,"got":{"ü":1}}'  # type: ignore[index]
        # the handshake, the first delivery, two for each member of the group, one for each step after it
        assert httpx.get(plain.url).text == str(1 + 1 + 4 + 2)

        httpx.post(f"{broker.url}/v2/publish/{plain.url}/before", headers=headers, json={"n": 7})
        told = eventually(lambda: httpx.get(f"{plain.url}/told").json())
        assert told == [{"n": 7}, 500, "bad 7"]
