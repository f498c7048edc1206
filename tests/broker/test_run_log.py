"""What the log of a run tells, and what it does not: steps, calls, children, changes of state, redacted values."""

import base64
import json

import pytest

from ringback.wire.http import Outcome
from support.inprocess import InProcess
from support.runs import BOTH, URL, batch, begin, entries, init, log, step, wait


@pytest.fixture(autouse=True)
def _workflow_endpoint(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")


async def test_changes_of_state_are_told_page_by_page_and_none_is_left_out(ringed: InProcess) -> None:
    for number in range(5):
        await begin(ringed, f"wfr_{number}", Upstash_Label="told")
        await batch(ringed, step(1, f"wfr_{number}"))
    path, cursor, lines, sizes = "/v2/workflows/events?label=told&count=3", "", [], []
    while cursor or not lines:
        page = (await ringed.call("GET", f"{path}&cursor={cursor}" if cursor else path)).json
        lines, cursor = [*lines, *page["events"]], page["cursor"]
        sizes.append(len(page["events"]))
    # a run tells of its start, of its payload, of its step, and of what is done now
    assert (sum(sizes), len({line["workflowRunId"] for line in lines}), sizes[0]) == (20, 5, 4)
    assert {(line["label"], *line["labels"]) for line in lines} == {("told", "told")}
    done = (await ringed.call("GET", "/v2/workflows/events?state=STEP_SUCCESS&label=told")).json["events"]
    assert {line["state"] for line in done} == {"STEP_SUCCESS"}
    assert len(done) == 10


async def test_the_start_of_a_child_tells_who_has_invoked_it(ringed: InProcess) -> None:
    await begin(ringed)
    step_ = {"stepId": 1, "stepName": "ship", "stepType": "Invoke", "concurrent": 1}
    parent = {"Upstash-Workflow-RunId": ["wfr_1"], "Upstash-Workflow-Init": ["false"]}
    envelope = {"body": "x", "headers": parent, "workflowRunId": "wfr_1", "workflowUrl": URL, "step": step_}
    headers = {name.replace("-", "_"): value for name, value in init("wfr_child").items()}
    await ringed.call("POST", f"/v2/publish/{URL}", envelope, upstash_workflow_invoke="true", **headers)
    lines = (await ringed.call("GET", "/v2/workflows/events?state=RUN_STARTED")).json["events"]
    of_child, of_parent = sorted(lines, key=lambda line: str(line["workflowRunId"]), reverse=True)
    assert (of_child["invokerWorkflowRunId"], of_child["invokerWorkflowUrl"]) == ("wfr_1", URL)
    assert of_child["invokerWorkflowCreatedAt"] == of_parent["workflowCreatedAt"]
    assert (of_child["callerIp"], "invokerWorkflowRunId" in of_parent) == ("192.0.2.1", False)


async def test_a_step_that_waits_when_its_run_is_canceled_is_still_called_by_its_name(ringed: InProcess) -> None:
    await begin(ringed)
    await ringed.call("POST", "/v2/wait/paid", wait())
    await ringed.call("DELETE", "/v2/workflows/runs?workflowRunIds=wfr_1")
    shown = (await log(ringed))["steps"][1]["steps"][0]
    assert (shown["stepName"], shown["stepType"], shown["state"]) == ("w", "Wait", "STEP_CANCELED")
    assert (shown["waitEventId"], shown["waitTimeoutDuration"], shown["waitTimeout"]) == ("paid", "7d", False)
    assert (await ringed.call("GET", "/v2/waiters/paid")).json == []


async def test_until_when_a_step_waited_is_counted_from_when_it_asked(ringed: InProcess) -> None:
    answers = [500, 200]
    ringed.respond = lambda _: Outcome(answers.pop(0) if answers else 200, list(BOTH), b"{}")
    await begin(ringed, Upstash_Retry_Delay="60000")
    await ringed.turn(60_000)  # its first attempt has failed before it could ask
    await ringed.call("POST", "/v2/wait/paid", wait() | {"timeout": "10s"})
    until = ringed.at + 10_000
    await ringed.turn(10_000)
    shown = (await log(ringed))["steps"][1]["steps"][0]
    assert (shown["waitTimeout"], shown["waitTimeoutDeadline"]) == (True, until)


async def test_runs_are_chosen_by_their_ids_and_by_when_they_were_created(ringed: InProcess) -> None:
    created = []
    for name in ("wfr_a", "wfr_a", "wfr_b@home"):
        await begin(ringed, name)
        created.append((await log(ringed, name))["workflowRunCreatedAt"])
        await ringed.call("DELETE", f"/v2/workflows/runs/{name}?cancel=true")
        await ringed.turn(1000)

    async def chosen(runs: str) -> list[int]:
        found = (await ringed.call("GET", f"/v2/workflows/logs?workflowRuns={runs}")).json["runs"]
        return [run["workflowRunCreatedAt"] for run in found]

    first, second, third = created
    assert await chosen(f"wfr_a@{first},wfr_b@home@{third}") == [third, first]
    assert await chosen(f"wfr_a@{second},wfr_b@home@{first}") == [second]
    assert await chosen("wfr_a") == [second, first]
    refused = await ringed.call("GET", "/v2/workflows/logs?workflowRuns=wfr_a@yesterday")
    assert (refused.status, "workflowRuns" in refused.json["error"]) == (400, True)


async def test_75_redacted_runs_show_hashes_and_deliver_originals(ringed: InProcess) -> None:
    await begin(ringed, body="secret", Upstash_Redact_Fields="body", Upstash_Retries="0")
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await batch(ringed, step(1, out="hidden"))
    await ringed.settle()
    shown = json.dumps([await log(ringed), (await ringed.call("GET", "/v2/workflows/dlq")).json])
    assert "secret" not in shown
    assert "hidden" not in shown
    assert "REDACTED:" in shown
    assert base64.b64decode(entries(ringed, 1)[0]["body"]) == b"secret"


async def test_75_what_carries_the_payload_of_a_redacted_run_further_is_redacted_too(ringed: InProcess) -> None:
    hidden = {"Upstash_Redact_Fields": "body,header[x-key]", "Upstash_Forward_X_Key": "k-word"}
    told = {"Upstash_Failure_Callback": URL, "Upstash_Failure_Callback_Forward_X_Key": "k-word"}
    await begin(ringed, body="secret", **hidden, **told, Upstash_Retries="0")
    call = init() | {"Upstash-Workflow-Init": "false", "Upstash-Workflow-CallType": "toCallback"}
    call |= {"Upstash-Callback": URL, "Upstash-Callback-Forward-Upstash-Workflow-StepId": "1", "Upstash-Delay": "1h"}
    call |= {"Upstash-Callback-Forward-Upstash-Workflow-Concurrent": "2"}
    item = {
        "destination": "https://vendor.example/",
        "headers": call | {"Upstash-Forward-X-Key": "k-word"},
        "body": "secret",
    }
    assert (await batch(ringed, item)).status == 200
    shown = [(await log(ringed))["steps"]]
    assert shown[0][1]["steps"][0]["callBody"].startswith("REDACTED:")
    assert shown[0][1]["steps"][0]["concurrent"] == 2
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await batch(ringed, step(2))
    await ringed.settle()
    paths = ("/v2/workflows/logs", "/v2/workflows/dlq", "/v2/events", "/v2/workflows/events")
    shown += [(await ringed.call("GET", path)).json for path in paths]
    for word in ("k-word", "secret", base64.b64encode(b"secret").decode()):
        assert word not in json.dumps(shown)
    failure = json.loads(ringed.sent[-1].body)
    assert (failure["sourceHeader"]["X-Key"], base64.b64decode(failure["sourceBody"])) == (["k-word"], b"secret")


async def test_the_log_tells_of_calls_and_children_what_was_asked_and_what_was_answered(ringed: InProcess) -> None:
    await begin(ringed, Upstash_Retry_Delay="1000 * (1 + retried)")
    of_step = init() | {"Upstash-Workflow-Init": "false"}
    call = of_step | {"Upstash-Workflow-CallType": "toCallback", "Upstash-Callback": URL, "Upstash-Method": "PUT"}
    call |= {"Upstash-Callback-Forward-Upstash-Workflow-StepId": "1", "Upstash-Forward-X-Key": "k"}
    vendor = "https://vendor.example/jobs"
    ringed.respond = lambda sent: Outcome(201, [*BOTH, ("X-Job", "7")], "á".encode() if sent.url == vendor else b"{}")
    await batch(ringed, {"destination": vendor, "headers": call, "body": {"a": "u"}})
    await ringed.broker.dispatcher.idle()
    (pending,) = (await log(ringed))["steps"][1]["steps"]
    await batch(ringed, step(1, stepType="Call"))
    envelope = {"body": "for the child", "headers": of_step, "workflowRunId": "wfr_1", "step": {"stepId": 2}}
    child = init("wfr_child") | {"Upstash-Workflow-Invoke": "true", "Upstash-Forward-X-Key": "k"}
    await batch(ringed, {"destination": URL, "headers": child, "body": json.dumps(envelope)})
    await ringed.broker.dispatcher.idle()
    (called,), (invoked,) = [group["steps"] for group in (await log(ringed))["steps"][1:3]]
    for shown in (pending, called):
        assert (shown["callUrl"], shown["callMethod"], shown["callBody"]) == (vendor, "PUT", '{"a": "u"}')
        assert shown["callHeaders"]["X-Key"] == ["k"]
        assert (shown["callResponseStatus"], shown["callResponseBody"]) == (201, "á")
        assert shown["callResponseHeaders"]["X-Job"] == ["7"]
    assert (called["state"], called["retryDelay"]) == ("STEP_SUCCESS", "1000 * (1 + retried)")
    assert (invoked["invokedWorkflowRunId"], invoked["invokedWorkflowRunBody"]) == ("wfr_child", "for the child")
    assert invoked["invokedWorkflowRunHeaders"] == {"X-Key": ["k"]}
