"""The server side of workflows, seen by a scripted endpoint (workflow protocol, section 9; the numbers are its lines)."""

import asyncio
import base64
import json
from typing import Any

import pytest

from ringback.wire.http import Outcome
from support.inprocess import READ_ONLY, InProcess
from support.runs import BOTH, ENDED, FEATURES, URL, batch, begin, entries, init, log, step, wait, webhook


@pytest.fixture(autouse=True)
def _workflow_endpoint(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")


async def test_a_run_is_found_by_one_of_its_messages_however_many_are_newer(ringed: InProcess) -> None:
    oldest = (await begin(ringed, "wfr_oldest"))["messageId"]
    for number in range(11):
        await begin(ringed, f"wfr_{number}")
    for path in ("logs", "events?groupBy=workflowRunId"):
        asked = f"/v2/workflows/{path}{'&' if '?' in path else '?'}messageId="
        assert [run["workflowRunId"] for run in (await ringed.call("GET", asked + oldest)).json["runs"]] == [
            "wfr_oldest"
        ]
        assert (await ringed.call("GET", asked + "msg_unknown")).json["runs"] == []


async def test_15_to_17_a_delivery_carries_its_own_list_byte_for_byte(ringed: InProcess) -> None:
    await begin(ringed, body='{ "odd" : "é\\u00e9" }')
    submitted = step(1)
    submitted["body"] = ' {"stepId" :1, "stepName":"ü", "stepType":"Run","unknown":null,"out":"1","concurrent":1}'
    await batch(ringed, submitted)
    await ringed.settle()
    first, second = entries(ringed, 0), entries(ringed, 1)
    assert [base64.b64decode(one["body"]).decode() for one in second] == ['{ "odd" : "é\\u00e9" }', submitted["body"]]
    for number, listed in ((0, first), (1, second)):
        assert listed[-1]["messageId"] == ringed.header(number, "Upstash-Message-Id")
    assert b" " not in ringed.sent[1].body


async def test_16_a_retry_does_not_see_what_came_later(ringed: InProcess) -> None:
    await begin(ringed, Upstash_Retry_Delay="1000")
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await batch(ringed, step(0, target=1), step(0, target=2))
    await ringed.settle()
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    await batch(ringed, step(1), step(2))
    await ringed.turn(1000)
    retried = [number for number in range(len(ringed.sent)) if ringed.header(number, "Upstash-Retried") == "1"]
    assert sorted(len(entries(ringed, number)) for number in retried) == [2, 3]


async def test_19_to_23_headers_of_deliveries(ringed: InProcess) -> None:
    more = {"Upstash_Forward_X_Tenant": "acme", "Upstash_Label": "gold,eu", "Upstash_Forward_Content_Length": "999"}
    more |= {"Upstash_Forward_Upstash_Signature": "old", "Upstash_Forward_Upstash_Message_Id": "msg_old"}
    more |= {"Upstash_Forward_Ringback_Accept_Result": "1"}  # from SDKs that send on whatever they were sent
    await begin(ringed, **more)
    await batch(ringed, step(1))
    await ringed.settle()
    for number in range(2):
        headers = ringed.sent[number].headers
        names = [name for name, _ in headers]
        assert len(set(names)) == len(names)
        told = dict(headers)
        assert (told["X-Tenant"], told["Upstash-Label"], told["Content-Type"]) == (
            "acme",
            "gold,eu",
            "application/json",
        )
        assert (told["Upstash-Workflow-RunId"], told["Upstash-Workflow-Sdk-Version"]) == ("wfr_1", "1")
        assert told["Upstash-Workflow-CreatedAt"].isdigit()
        assert "Content-Length" not in told
        assert told["Upstash-Message-Id"] != "msg_old"


async def test_7_to_9_starts_are_answered_in_order_and_an_active_id_is_one_run(ringed: InProcess) -> None:
    items = [{"destination": URL, "headers": init(f"wfr_{n}"), "body": "x"} for n in ("a", "b", "a")]
    answers = (await batch(ringed, *items)).json
    assert [one.get("deduplicated", False) for one in answers] == [False, False, True]
    assert answers[2]["messageId"] == answers[0]["messageId"]
    again = await ringed.call("POST", f"/v2/publish/{URL}", b"x", **init("wfr_a"))
    assert (again.status, again.json["deduplicated"]) == (202, True)
    started = await ringed.call("POST", f"/v2/publish/{URL}", b"x", **init("wfr_c"))
    assert started.status == 200
    await ringed.settle()
    assert len(ringed.sent) == 3


@pytest.mark.parametrize(
    ("body", "payload"), [(None, b""), ({"q": "é", "a": [1, True, None]}, '{"q": "é", "a": [1, true, null]}'.encode())]
)
async def test_10_and_12_payloads_that_are_no_strings(ringed: InProcess, body: Any, payload: bytes) -> None:
    item = {"destination": URL, "headers": init()} | ({} if body is None else {"body": body})
    raw = json.dumps([item], ensure_ascii=False).encode()
    await ringed.call("POST", "/v2/batch", raw)
    await ringed.settle()
    assert base64.b64decode(entries(ringed, 0)[0]["body"]) == payload


async def test_11_a_delayed_start_is_started_and_can_be_canceled(ringed: InProcess) -> None:
    await begin(ringed, Upstash_Delay="2s")
    assert ringed.sent == []
    assert (await log(ringed))["workflowState"] == "RUN_STARTED"
    assert (await ringed.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=true")).status == 200
    await ringed.turn(5000)
    assert ringed.sent == []
    assert (await log(ringed))["workflowState"] == "RUN_CANCELED"


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (BOTH[:1], "trigger rest api is only usable with sdk versions after v1.0.0 major version"),
        ([], "detected a non-workflow destination for trigger/invoke."),
    ],
)
async def test_5_and_6_what_cannot_be_a_workflow_fails_at_once(
    ringed: InProcess, headers: list[tuple[str, str]], text: str
) -> None:
    ringed.respond = lambda _: Outcome(200, list(headers), b"plain")
    answer = await ringed.call("POST", f"/v2/trigger/{URL}", b"x")
    await ringed.settle()
    assert ringed.header(0, "Upstash-Workflow-Unknown-Sdk") == "true"
    assert ringed.header(0, "Upstash-Workflow-Sdk-Version") is None
    run = await log(ringed, answer.json["workflowRunId"])
    (error,) = run["steps"][-1]["steps"][0]["errors"]
    assert error["error"].startswith(text)
    assert (run["workflowState"], error["body"]) == ("RUN_FAILED", "plain")


async def test_25_and_26_whose_settings_hold(ringed: InProcess) -> None:
    await begin(ringed, "wfr_on", Upstash_Retries="7", Upstash_Retry_Delay="5000")
    without = FEATURES.replace(",WF_TriggerOnConfig", "")
    await begin(ringed, "wfr_off", Upstash_Feature_Set=without, Upstash_Retries="7")
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    for run_id in ("wfr_on", "wfr_off"):
        await batch(ringed, step(1, run_id, headers={"Upstash-Retries": "1", "Upstash-Retry-Delay": "10"}))
    await ringed.turn(4999)
    assert (await log(ringed, "wfr_on"))["workflowState"] == "RUN_STARTED"
    assert (await log(ringed, "wfr_off"))["workflowState"] == "RUN_FAILED"
    assert (await log(ringed, "wfr_on"))["steps"][-1]["steps"][0]["retries"] == 7


async def test_35_to_37_a_step_submitted_twice_is_one(ringed: InProcess) -> None:
    await begin(ringed)
    first = (await batch(ringed, step(1))).json[0]
    again = (await batch(ringed, step(1))).json[0]
    assert again == {"messageId": first["messageId"], "url": URL, "deduplicated": True}
    await batch(ringed, step(0, target=2), step(0, target=3))
    await batch(ringed, step(0, target=2), step(0, target=3))
    await ringed.settle()
    assert len(ringed.sent) == 4


async def test_39_and_40_sleeps_are_appended_when_they_are_over(ringed: InProcess) -> None:
    await begin(ringed)
    await batch(ringed, step(1, headers={"Upstash-Delay": "2s"}, stepType="SleepFor", sleepFor=2))
    await ringed.turn(1999)
    assert len(ringed.sent) == 1
    waiting = (await log(ringed))["steps"][1]["steps"][0]
    assert (waiting["state"], waiting["sleepFor"]) == ("STEP_PROGRESS", 2000)
    await ringed.turn(1)
    assert len(entries(ringed, 1)) == 2
    past = {"Upstash-Not-Before": "1700000000.5"}
    await batch(ringed, step(2, headers=past, stepType="SleepUntil", sleepUntil=1_700_000_000))
    await ringed.settle()
    assert len(ringed.sent) == 3


async def test_61_and_62_a_run_fails_with_its_dead_letter_and_failure_callback(ringed: InProcess) -> None:
    await begin(ringed, body="the payload", Upstash_Failure_Callback=URL, Upstash_Forward_X_Tenant="acme")
    failing = b'{"error":"Error","message":"bad","stack":"s"}'
    stop = [*BOTH, ("Upstash-NonRetryable-Error", "true"), ("Upstash-Error-Step-Name", "charge")]
    ringed.respond = lambda sent: (
        Outcome(200, list(BOTH), b'{"result":"told"}') if b"dlqId" in sent.body else Outcome(489, list(stop), failing)
    )
    await batch(ringed, step(1))
    await ringed.settle()
    run = await log(ringed)
    assert (run["workflowState"], run["steps"][-1]["steps"][0]["stepName"]) == ("RUN_FAILED", "charge")
    told = json.loads(ringed.sent[2].body)
    assert base64.b64decode(told["sourceBody"]) == b"the payload"
    assert base64.b64decode(told["body"]) == failing
    assert (told["status"], told["url"], told["workflowRunId"], told["dlqId"]) == (489, URL, "wfr_1", run["dlqId"])
    assert ringed.header(2, "Upstash-Workflow-Sdk-Version") is None
    assert ringed.header(2, "X-Tenant") == "acme"
    failure = run["failureFunction"]
    assert (failure["state"], failure["responseBody"]) == ("CALLBACK_SUCCESS", '{"result":"told"}')
    refused = await ringed.call("POST", f"/v2/workflows/dlq/callback/{run['dlqId']}")
    assert refused.status == 400


async def test_an_sdk_that_knows_no_features_is_told_the_list_of_a_run_that_failed(ringed: InProcess) -> None:
    headers = init(Upstash_Failure_Callback=URL, Upstash_Retries="0")
    del headers["Upstash-Feature-Set"]
    await batch(ringed, {"destination": URL, "headers": headers, "body": "the payload"})
    await ringed.settle()
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await batch(ringed, step(1, headers={"Upstash-Retries": "0"}))
    await ringed.settle()
    told = json.loads(base64.b64decode(json.loads(ringed.sent[2].body)["sourceBody"]))
    assert [base64.b64decode(one["body"])[:11] for one in told] == [b"the payload", b'{"stepId": ']
    assert told == entries(ringed, 1)


async def test_64_a_failure_function_that_failed_is_called_again_on_request(ringed: InProcess) -> None:
    await begin(ringed, Upstash_Failure_Callback=URL, Upstash_Failure_Callback_Retries="1", Upstash_Retries="0",
                Upstash_Failure_Callback_Retry_Delay="10")  # fmt: skip
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await batch(ringed, step(1))
    await ringed.turn(1000)
    run = await log(ringed)
    assert (run["failureFunction"]["state"], len(ringed.sent)) == ("CALLBACK_FAIL", 4)
    listed = await ringed.call("GET", "/v2/workflows/dlq?failureFunctionState=CALLBACK_FAIL")
    assert [letter["dlqId"] for letter in listed.json["messages"]] == [run["dlqId"]]
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    assert (await ringed.call("POST", f"/v2/workflows/dlq/callback/{run['dlqId']}")).status == 200
    await ringed.settle()
    assert (await log(ringed))["failureFunction"]["state"] == "CALLBACK_SUCCESS"


@pytest.mark.parametrize("by_its_message", [False, True], ids=["by its run", "by its message"])
@pytest.mark.parametrize("where", ["waiting", "in line", "in flight"])
async def test_a_failure_function_that_is_given_up_is_called_no_more_and_holds_nothing(
    ringed: InProcess, where: str, by_its_message: bool
) -> None:
    key = {"Upstash_Flow_Control_Key": "k", "Upstash_Flow_Control_Value": "parallelism=1"}
    stop = [*BOTH, ("Upstash-NonRetryable-Error", "true")]
    await begin(ringed, Upstash_Failure_Callback=URL, Upstash_Failure_Callback_Delay="60s", **key)
    ringed.respond = lambda sent: Outcome(500 if b"dlqId" in sent.body else 489, list(stop), b"{}")
    await batch(ringed, step(1))
    await ringed.settle()
    if where != "waiting":
        ringed.held = asyncio.Event()
        if where == "in line":
            await ringed.publish("https://shop.example/other", **key)
        await ringed.turn(60_000)
    sent, run = len(ringed.sent), await log(ringed)
    letter = run["dlqId"]
    if by_its_message:
        assert (await ringed.call("DELETE", f"/v2/messages/{run['failureFunction']['messageId']}")).status == 202
    else:
        assert (await ringed.call("DELETE", f"/v2/workflows/dlq/callback/{letter}")).status == 302
    if not by_its_message or where != "in flight":
        assert (await log(ringed))["failureFunction"]["state"] == "CALLBACK_CANCELED"
    if ringed.held is not None:
        ringed.held.set()
        ringed.held = None
    await ringed.turn(300_000)
    assert len(ringed.sent) == sent
    assert (await log(ringed))["failureFunction"]["state"] == "CALLBACK_CANCELED"
    used = (await ringed.call("GET", "/v2/flowControl/k")).json
    assert (used["parallelismCount"], used["waitListSize"]) == (0, 0)
    assert (await ringed.call("DELETE", f"/v2/workflows/dlq/callback/{letter}")).status == 400


async def test_failure_functions_are_called_again_in_bulk_each_once(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    for number in range(5):
        await ringed.call("POST", f"/v2/trigger/{URL}", b"{}", Upstash_Workflow_RunId=f"b{number}", Upstash_Retries="0",
                          Upstash_Failure_Callback=URL)  # fmt: skip
    await ringed.turn(1000)
    path = "/v2/workflows/dlq/callback"
    assert (await ringed.call("POST", f"{path}?failureFunctionState=CALLBACK_SUCCESS")).status == 400
    assert (await ringed.call("POST", f"{path}?dlqIds=1-0")).status == 404
    assert (await ringed.call("POST", f"{path}?lable=x")).status == 400
    called: list[str] = []
    cursor = None
    while cursor != "":
        page = (await ringed.call("POST", f"{path}?count=2" + (f"&cursor={cursor}" if cursor else ""))).json
        called += [run["workflowRunId"] for run in page["workflowRuns"]]
        cursor = page["cursor"]
        await ringed.settle()  # each fails again, and is not called twice for that
    assert called == [f"b{number}" for number in range(5)]


async def test_65_and_66_an_ended_run_takes_nothing_more(ringed: InProcess) -> None:
    await begin(ringed)
    for _ in range(2):
        answer = await ringed.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=false", b'{"r":1}')
        assert answer.status == 200
    assert (await log(ringed))["workflowRunResponse"] == '{"r":1}'
    assert (await batch(ringed, step(1))).json == {"error": ENDED}
    assert (await batch(ringed, step(1, "wfr_never"))).json == {"error": ENDED}
    assert (await ringed.call("GET", "/v2/workflows/runs/wfr_1")).status == 404
    assert (await ringed.call("DELETE", "/v2/workflows/runs/wfr_1")).status == 404
    assert (await ringed.call("DELETE", "/v2/workflows/runs/wfr_never?cancel=false")).status == 404


async def test_68_runs_are_canceled_by_id_prefix_label_and_count(ringed: InProcess) -> None:
    for number in range(5):
        await begin(ringed, f"wfr_{number}", Upstash_Label="even" if number % 2 == 0 else "odd")

    async def cancel(query: str) -> int:
        return int((await ringed.call("DELETE", f"/v2/workflows/runs?{query}")).json["cancelled"])

    assert await cancel("workflowRunIds=wfr_0&workflowRunIds=wfr_unknown") == 1
    assert await cancel("workflowUrl=https://shop.example&workflowUrlExactMatch=true") == 0
    assert await cancel("workflowUrl=https://shop.example&label=odd&count=1") == 1
    assert await cancel("label=odd,even&count=100") == 3
    assert await cancel("count=100") == 0
    assert (await ringed.call("DELETE", "/v2/workflows/runs?workflowUlr=x")).status == 400


async def test_58_an_invoke_chain_that_is_too_deep_is_refused(ringed: InProcess) -> None:
    deep = init("wfr_deep") | {"Upstash-Forward-Upstash-Workflow-Invoke-Count": "101"}
    answer = await batch(ringed, {"destination": URL, "headers": deep, "body": "x"})
    assert answer.status == 412
    assert "maxInvokeDepth" in answer.json["error"]


async def test_an_invoke_whose_answer_was_lost_is_asked_again_under_its_id(ringed: InProcess) -> None:
    await begin(ringed)

    async def invoke(child: str, number: int) -> Any:
        step_ = {"stepId": number, "stepName": "ship", "stepType": "Invoke", "concurrent": 1}
        parent = {"Upstash-Workflow-RunId": ["wfr_1"], "Upstash-Workflow-Init": ["false"]}
        envelope = {"body": "x", "headers": parent, "workflowRunId": "wfr_1", "workflowUrl": URL, "step": step_}
        headers = {name.replace("-", "_"): value for name, value in init(child).items()}
        return await ringed.call("POST", f"/v2/publish/{URL}", envelope, upstash_workflow_invoke="true", **headers)

    first, again, other = await invoke("wfr_child", 1), await invoke("wfr_child", 1), await invoke("wfr_child", 2)
    assert (first.status, again.status, other.status) == (200, 202, 412)
    assert again.json == first.json | {"deduplicated": True}
    await ringed.call("DELETE", "/v2/workflows/runs/wfr_child?cancel=false", b'"done"')
    assert (await invoke("wfr_child", 1)).json["deduplicated"]
    entered = (await ringed.call("GET", "/v2/workflows/runs/wfr_1")).json
    results = [json.loads(base64.b64decode(one["body"])) for one in entered[1:]]
    assert [(result["stepId"], json.loads(result["out"])["isFailed"]) for result in results] == [(1, False)]


@pytest.mark.parametrize("where", ["delayed", "in flight"])
async def test_a_run_whose_next_delivery_is_canceled_is_canceled_with_it(ringed: InProcess, where: str) -> None:
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    done = (await begin(ringed))["messageId"]
    assert (await ringed.call("DELETE", f"/v2/messages/{done}")).status == 404
    if where == "in flight":
        ringed.held = asyncio.Event()
    (item,) = (await batch(ringed, step(1, headers={"Upstash-Delay": "1h"} if where == "delayed" else {}))).json
    await ringed.turn(10)
    canceled = await ringed.call("DELETE", f"/v2/messages/{item['messageId']}")
    assert (canceled.status, canceled.json) == (202, {"cancelled": 1})
    assert (await log(ringed))["workflowState"] == "RUN_CANCELED"
    if ringed.held is not None:
        ringed.held.set()
    await ringed.settle()
    assert (await ringed.call("DELETE", f"/v2/messages/{item['messageId']}")).status == 404
    assert (await batch(ringed, step(2))).json["error"] == ENDED


@pytest.mark.parametrize(
    ("forwarded", "proto"), [("https", "https"), ("HTTPS, http", "https"), ("javascript", "http"), ("", "http")]
)
async def test_a_webhook_s_url_can_be_read_behind_any_row_of_proxies(
    ringed: InProcess, forwarded: str, proto: str
) -> None:
    await begin(ringed)
    await batch(ringed, webhook())
    target = "/v2/workflows/hooks/one/wfr_1/evt_1?a=b"
    about = {"x_forwarded_proto": forwarded, "host": "broker.example"}
    assert (await ringed.call("PUT", target, b"ring", token=None, **about)).status == 200
    parent = {"Upstash-Workflow-RunId": ["wfr_1"], "Upstash-Workflow-Init": ["false"]}
    step_ = {"stepId": 2, "stepName": "w", "stepType": "WaitForWebhook", "concurrent": 1}
    await ringed.call("POST", "/v2/wait/evt_1", {"url": URL, "timeoutHeaders": parent, "step": step_})
    await ringed.settle()
    result = json.loads(base64.b64decode((await ringed.call("GET", "/v2/workflows/runs/wfr_1")).json[2]["body"]))
    told = json.loads(base64.b64decode(result["out"]))
    assert f"{told['proto']}://{told['host']}{told['url']}" == f"{proto}://broker.example{target}"


@pytest.mark.parametrize("comes", ["early", "late"])
async def test_who_has_no_token_ends_no_wait_but_that_for_a_webhook(ringed: InProcess, comes: str) -> None:
    """Ids of runs and events can be guessed where they are made of an order's number; an address that was made cannot."""
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    await begin(ringed)
    if comes == "late":
        await ringed.call("POST", "/v2/wait/paid", wait())
    for event_id in ("paid", "evt_1", "%1Fevt_1"):
        forged = await ringed.call("POST", f"/v2/workflows/hooks/one/wfr_1/{event_id}", b"true", token=None)
        assert (forged.status, "has no webhook" in forged.json["error"]) == (404, True)
    if comes == "early":
        await ringed.call("POST", "/v2/wait/paid", wait())
    assert len((await ringed.call("GET", "/v2/waiters/paid")).json) == 1
    assert len((await ringed.call("POST", "/v2/notify/paid", b"true")).json) == 1
    await batch(ringed, webhook() | {"body": webhook()["body"].replace('"stepId": 1', '"stepId": 2')})
    assert (await ringed.call("POST", "/v2/workflows/hooks/one/wfr_1/evt_1", b"x", token=None)).status == 200
    parent = wait()["timeoutHeaders"]
    third = {"stepId": 3, "stepName": "w", "stepType": "WaitForWebhook", "concurrent": 1}
    await ringed.call("POST", "/v2/wait/evt_1", {"url": URL, "timeoutHeaders": parent, "step": third})
    assert (await ringed.call("GET", "/v2/waiters/evt_1")).json == []
    fourth = third | {"stepId": 4}
    await ringed.call("POST", "/v2/wait/evt_2", {"url": URL, "timeoutHeaders": parent, "step": fourth})
    assert (await ringed.call("POST", "/v2/workflows/hooks/one/wfr_1/evt_2", b"x", token=None)).status == 200
    assert (await ringed.call("GET", "/v2/waiters/evt_2")).json == []


async def test_a_run_is_not_ended_by_what_was_meant_for_another_of_its_id(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    await begin(ringed)
    old = str((await log(ringed))["workflowRunCreatedAt"])
    assert (
        await ringed.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=true", upstash_workflow_createdat=old)
    ).status == 200
    await ringed.turn(1000)
    await begin(ringed)
    for query, status in (("?cancel=false", 200), ("?cancel=true", 200), ("", 404)):
        late = await ringed.call("DELETE", f"/v2/workflows/runs/wfr_1{query}", upstash_workflow_createdat=old)
        assert (late.status, (await log(ringed))["workflowState"]) == (status, "RUN_STARTED")
    new = str((await log(ringed))["workflowRunCreatedAt"])
    assert (await ringed.call("DELETE", "/v2/workflows/runs/wfr_1", upstash_workflow_createdat=new)).status == 200


async def test_runs_whose_deliveries_are_canceled_by_their_ids_are_canceled_with_them(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    soon = {"Upstash-Delay": "1h"}
    for run_id in ("wfr_1", "wfr_2"):
        await begin(ringed, run_id)
    items = [step(0, run_id, target, headers=soon) for run_id in ("wfr_1", "wfr_2") for target in (1, 2)]
    ids = [item["messageId"] for item in (await batch(ringed, *items)).json]
    assert (await ringed.call("DELETE", "/v2/messages", {"url": URL})).json["cancelled"] == 0
    canceled = await ringed.call("DELETE", "/v2/messages", {"messageIds": [*ids, ids[0]]})
    assert (canceled.status, canceled.json) == (202, {"cancelled": len(ids)})
    assert [(await log(ringed, one))["workflowState"] for one in ("wfr_1", "wfr_2")] == ["RUN_CANCELED"] * 2
    assert (await ringed.call("DELETE", "/v2/messages", {"messageIds": ids})).json["cancelled"] == 0


async def test_a_failed_run_is_not_retried_as_if_it_were_a_message(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await begin(ringed, Upstash_Retries="0")
    letter, sent = (await log(ringed))["dlqId"], len(ringed.sent)
    refused = await ringed.call("POST", f"/v2/dlq/retry/{letter}")
    assert (refused.status, "resume or restart" in refused.json["error"]) == (400, True)
    await ringed.settle()
    assert len(ringed.sent) == sent
    assert (await ringed.call("POST", f"/v2/workflows/dlq/restart/{letter}")).status == 200


async def test_70_and_71_resume_keeps_results_and_restart_does_not(ringed: InProcess) -> None:
    ids = []
    for name in ("wfr_a", "wfr_b"):
        await begin(ringed, name, Upstash_Retries="0")
        ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
        await batch(ringed, step(1, name))
        await ringed.settle()
        ids.append((await log(ringed, name))["dlqId"])
        ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    before = len(ringed.sent)
    resumed = await ringed.call("POST", f"/v2/workflows/dlq/resume?dlqIds={ids[0]}", upstash_retries="9")
    restarted = await ringed.call("POST", f"/v2/workflows/dlq/restart/{ids[1]}")
    await ringed.settle()
    assert [len(entries(ringed, number)) for number in range(before, len(ringed.sent))] == [2, 1]
    new = resumed.json["workflowRuns"][0]["workflowRunId"]
    assert (await log(ringed, new))["steps"][0]["steps"][0]["retries"] in (9, 0)
    assert restarted.json["workflowRunId"].startswith("wfr_")
    assert (await ringed.call("GET", "/v2/workflows/dlq")).json == {"cursor": "", "messages": []}
    assert (await ringed.call("POST", f"/v2/workflows/dlq/resume/{ids[0]}")).status == 404


def planned(ringed: InProcess) -> list[list[int]]:
    """Return which planned steps are in the list of each delivery."""
    bodies = [[json.loads(base64.b64decode(one["body"])) for one in json.loads(sent.body)[1:]] for sent in ringed.sent]
    return [[one["targetStep"] for one in body if "targetStep" in one] for body in bodies]


async def test_a_step_that_slept_when_its_run_failed_sleeps_on_when_it_is_resumed(ringed: InProcess) -> None:
    await begin(ringed, Upstash_Retries="0")
    stop = [*BOTH, ("Upstash-NonRetryable-Error", "true")]
    ringed.respond = lambda sent: Outcome(489 if len(json.loads(sent.body)) > 1 else 200, list(stop), b"{}")
    await batch(ringed, step(0, target=1), step(0, target=2, headers={"Upstash-Delay": "60s"}))
    ends_at = ringed.at + 60_000
    await ringed.settle()
    ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    letter = (await log(ringed))["dlqId"]
    ringed.sent.clear()
    await ringed.turn(10_000)
    run = (await ringed.call("POST", f"/v2/workflows/dlq/resume/{letter}")).json["workflowRunId"]
    await ringed.settle()
    assert planned(ringed) == [[1]]
    await batch(ringed, step(1, run, concurrent=2))
    await ringed.turn(ends_at - ringed.at - 1)
    assert planned(ringed) == [[1], [1]]
    await ringed.turn(1)
    assert planned(ringed) == [[1], [1], [1, 2]]


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("batch", [{"destination": "https://vendor.example/", "headers": {"Upstash-Timeout": "soon"}}], 412),
        ("batch", [{"destination": "ftp://vendor.example/", "headers": {}}], 412),
        ("batch", [{"destination": URL, "headers": {"Upstash-Workflow-RunId": "wfr_none"}}], 400),
        ("batch", [{"destination": URL, "headers": {"Upstash-Workflow-Init": "true", "Upstash-Delay": "soon"}}], 400),
        ("wait/paid", {"url": URL, "timeout": "soon", "step": {"stepId": 1}}, 412),
        ("wait/", {"url": URL, "step": {"stepId": 1}}, 412),
        ("notify/", b"{}", 412),
    ],
)
async def test_what_is_wrong_in_a_step_fails_the_run_where_400_would_be_taken_for_its_end(
    ringed: InProcess, target: str, body: Any, status: int
) -> None:
    await begin(ringed)
    of_step = init() | {"Upstash-Workflow-Init": "false"}
    if isinstance(body, list):
        body = [item | {"headers": of_step | item["headers"]} for item in body]
    answer = await ringed.call("POST", f"/v2/{target}", body)
    assert answer.status == status
    assert (answer.json["error"] == ENDED) == ("wfr_none" in json.dumps(body) if isinstance(body, list) else False)


async def test_a_publish_of_a_step_is_told_from_a_publish_that_starts_a_run(ringed: InProcess) -> None:
    await begin(ringed)
    for init_, invoke, status in (("false", "", 412), ("true", "true", 412), ("true", "", 400)):
        headers = {"upstash_workflow_init": init_, "upstash_workflow_runid": "wfr_1", "upstash_workflow_invoke": invoke}
        answer = await ringed.call("POST", f"/v2/publish/{URL}", b"{}", upstash_delay="soon", **headers)
        assert (answer.status, "Upstash-Delay" in answer.json["error"]) == (status, True)


async def test_76_flow_control_limits_deliveries_over_runs(ringed: InProcess) -> None:
    import asyncio

    ringed.held = asyncio.Event()
    flow = {"Upstash_Flow_Control_Key": "k", "Upstash_Flow_Control_Value": "parallelism=1"}
    for name in ("wfr_a", "wfr_b"):
        headers = init(name, **flow)
        await batch(ringed, {"destination": URL, "headers": headers, "body": "x"})
    await ringed.settle()
    assert len(ringed.sent) == 1
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert (len(ringed.sent), ringed.most_in_flight) == (2, 1)


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", f"/v2/trigger/{URL}"), ("GET", "/v2/workflows/logs"), ("POST", "/v2/notify/e"), ("POST", "/v2/wait/e")],
)
async def test_77_tokens_are_asked_for(ringed: InProcess, method: str, target: str) -> None:
    assert (await ringed.call(method, target, token=None)).status == 401
    if method == "POST":
        assert (await ringed.call(method, target, token=READ_ONLY)).status == 403


@pytest.mark.parametrize("run_id", ["wfr_a?b", "wfr_a#b", "wfr_a%2Fb", "wfr_a\\b", "wfr_a//b", "wfr_a/"])
async def test_a_run_id_that_is_lost_in_an_address_is_refused_at_the_start(ringed: InProcess, run_id: str) -> None:
    answer = await batch(ringed, {"destination": URL, "headers": init(run_id), "body": "x"})
    assert (answer.status, "Upstash-Workflow-RunId" in answer.json["error"]) == (400, True)


async def test_a_run_id_may_have_slashes_where_it_stands_in_addresses(ringed: InProcess) -> None:
    await begin(ringed, "wfr_order/7")
    assert len((await ringed.call("GET", "/v2/workflows/runs/wfr_order/7")).json) == 1
    await batch(ringed, webhook("evt_1", "wfr_order/7"))
    hook = await ringed.call("POST", "/v2/workflows/hooks/one/wfr_order/7/evt_1", b"ring", token=None)
    assert hook.status == 200
    told = await ringed.call("POST", "/v2/notify/wfr_order/7/paid/in/full", b"yes")
    assert [one["workflowRunId"] for one in told.json] == ["wfr_order/7"]
    assert (await ringed.call("POST", "/v2/notify/wfr_other/7/paid", b"yes")).json == []
    ended = await ringed.call("DELETE", "/v2/workflows/runs/wfr_order%2F7?cancel=false", b'"done"')
    assert (ended.status, (await log(ringed, "wfr_order/7"))["workflowRunResponse"]) == (200, '"done"')


async def test_79_event_ids_may_hold_anything(ringed: InProcess) -> None:
    await begin(ringed)
    await ringed.call("POST", "/v2/wait/a/b%20ü", wait())
    refused = await ringed.call("POST", "/v2/wait/a/b%20ü", wait() | {"timeout": "10"})
    assert (refused.status, refused.json["error"]) == (412, 'invalid timeout: time: missing unit in duration "10"')
    (waiter,) = (await ringed.call("GET", "/v2/waiters/a/b%20%C3%BC")).json
    assert waiter["deadline"] == (ringed.at + 7 * 86_400_000) // 1000
    assert set(waiter) == {"url", "deadline", "headers", "timeoutUrl", "timeoutBody", "timeoutHeaders"}
    assert waiter["timeoutHeaders"] == wait()["timeoutHeaders"]
    shown = (await log(ringed))["steps"][1]["steps"][0]
    assert (shown["stepName"], shown["stepType"], shown["state"]) == ("w", "Wait", "STEP_PROGRESS")
    assert (shown["waitEventId"], shown["waitTimeoutDuration"]) == ("a/b ü", "7d")
    deadline = shown["waitTimeoutDeadline"]
    woken = await ringed.call("POST", "/v2/notify/a/b%20%C3%BC", b'{"paid":1}')
    assert (woken.status, [one["workflowRunId"] for one in woken.json]) == (201, ["wfr_1"])
    await ringed.settle()
    result = json.loads(base64.b64decode(entries(ringed, 1)[1]["body"]))
    assert base64.b64decode(result["out"]) == b'{"paid":1}'
    assert (await ringed.call("GET", "/v2/waiters/a/b%20%C3%BC")).json == []
    shown = (await log(ringed))["steps"][1]["steps"][0]
    assert (shown["state"], shown["waitTimeoutDeadline"]) == ("STEP_SUCCESS", deadline)


async def test_results_on_the_response_need_no_request_of_their_own(ringed: InProcess) -> None:
    def respond(sent: Any) -> Outcome:
        number = len(json.loads(sent.body))
        if number == 3:
            body: dict[str, Any] = {"finish": {"result": '"end"'}}
        else:
            body = {"submit": [step(number)]}
        return Outcome(200, [*BOTH, ("Ringback-Result", "1")], json.dumps(body).encode())

    ringed.respond = respond
    await begin(ringed)
    assert ringed.header(0, "Ringback-Accept-Result") == "1"
    run = await log(ringed)
    assert (run["workflowState"], run["workflowRunResponse"], len(ringed.sent)) == ("RUN_SUCCESS", '"end"', 3)


@pytest.mark.parametrize("body", [b"nonsense", b'{"submit":[{"body":' + b"[" * 60_000, b"\xff"])
async def test_a_result_on_the_response_that_cannot_be_read_fails_the_run(ringed: InProcess, body: bytes) -> None:
    ringed.respond = lambda _: Outcome(200, [*BOTH, ("Ringback-Result", "1")], body)
    await begin(ringed)
    run = await log(ringed)
    assert run["workflowState"] == "RUN_FAILED"
    assert "cannot be read" in run["steps"][-1]["steps"][0]["errors"][0]["error"]


async def test_what_an_answer_asks_for_and_the_broker_refuses_fails_the_run_in_the_brokers_words(
    ringed: InProcess,
) -> None:
    call = {"destination": "http://127.0.0.1:9/x", "headers": {"Upstash-Retry-Delay": "soon"}, "body": ""}
    refused = json.dumps({"submit": [call]}).encode()
    ringed.respond = lambda sent: Outcome(200, [*BOTH, ("Ringback-Result", "1")], refused)
    await begin(ringed)
    run = await log(ringed)
    [error] = run["steps"][-1]["steps"][0]["errors"]
    assert (run["workflowState"], error["status"], error["body"]) == ("RUN_FAILED", 489, "")
    assert "Upstash-Retry-Delay" in error["error"]
    [letter] = (await ringed.call("GET", "/v2/workflows/dlq")).json["messages"]
    assert letter["responseBody"] == error["error"]


async def test_a_heartbeat_keeps_the_attempt_alive_and_an_older_attempt_is_refused(ringed: InProcess) -> None:
    import asyncio

    ringed.held = asyncio.Event()
    await batch(ringed, {"destination": URL, "headers": init(), "body": "x"})
    await ringed.settle()
    message = ringed.header(0, "Upstash-Message-Id")
    beat = {"messageId": message, "attempt": 0, "progress": "40 %"}
    assert (await ringed.call("POST", "/v2/workflows/runs/wfr_1/heartbeat", beat)).status == 200
    assert ringed.sent[0].alive_at > 0
    assert (await log(ringed))["steps"][-1]["steps"][0]["progress"] == "40 %"
    late = await ringed.call("POST", "/v2/workflows/runs/wfr_1/heartbeat", beat | {"attempt": 1})
    assert late.status == 409
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert (await ringed.call("POST", "/v2/workflows/runs/wfr_1/heartbeat", beat)).status == 409
