"""The API's door: tokens, tenants, unknown paths, errors, filters, pages, schedules."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from ringback.broker.stores.memory import MemoryStore
from ringback.wire.http import Request
from support.inprocess import OTHER, READ_ONLY, TOKEN, InProcess, answering
from support.runs import begin

URL = "https://api.example.com/in"


@pytest.mark.parametrize("token", [None, "", "wrong", "token-one "])
async def test_without_a_token_nothing_is_answered(ringed: InProcess, token: str | None) -> None:
    answer = await ringed.call("GET", "/v2/queues", token=token)
    if token == "token-one ":
        assert answer.status == 200
    else:
        assert (answer.status, answer.json) == (401, {"error": "unable to authenticate: invalid token"})


def test_who_sends_a_large_body_is_known_by_any_token() -> None:
    api = InProcess(MemoryStore()).broker.api
    for token, is_known in ((TOKEN, True), (READ_ONLY, True), ("wrong", False), ("", False)):
        assert api.knows(Request("POST", "/v2/batch", [("authorization", f"Bearer {token}")])) is is_known
    assert api.knows(Request("POST", f"/v2/publish/{URL}?qstash_token={TOKEN}", []))


async def test_a_token_in_the_query_is_enough_and_never_reaches_the_destination(ringed: InProcess) -> None:
    target = f"/v2/publish/{URL}?a=1&qstash_token=token-one&b=2"
    assert (await ringed.call("POST", target, token=None)).status == 200
    await ringed.settle()
    assert ringed.sent[0].url == f"{URL}?a=1&b=2"


@pytest.mark.parametrize(
    "call",
    ["DELETE /v2/messages/", "DELETE /v2/dlq/", "POST /v2/dlq/retry/", "DELETE /v2/workflows/runs/?cancel=true"],
)
async def test_an_empty_id_does_not_mean_all(ringed: InProcess, call: str) -> None:
    """Clients put an id behind the slash: without one, a program that has lost it would cancel or delete all there are."""
    await ringed.publish(URL, upstash_delay="1h")
    refused = await ringed.call(*call.split(" "))
    assert (refused.status, "missing id behind" in refused.json["error"]) == (400, True)
    assert (await ringed.call("DELETE", "/v2/messages")).json == {"cancelled": 1}
    assert (await ringed.call("GET", "/v2/queues/")).status == 200


async def test_a_read_only_token_reads_and_nothing_more(ringed: InProcess) -> None:
    assert (await ringed.call("GET", "/v2/events", token=READ_ONLY)).status == 200
    for method, target in (("POST", f"/v2/publish/{URL}"), ("DELETE", "/v2/messages"), ("GET", "/v2/keys")):
        answer = await ringed.call(method, target, token=READ_ONLY)
        assert answer.status == 403
        assert "read only" in answer.json["error"]


async def test_tenants_see_nothing_of_each_other(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    message = await ringed.publish(URL, upstash_retries="0")
    await ringed.enqueue("q", URL)
    await ringed.call("POST", "/v2/topics/g/endpoints", {"endpoints": [{"url": URL}]})
    await ringed.call("POST", f"/v2/schedules/{URL}", upstash_cron="* * * * *")
    await ringed.settle()
    (letter,) = (await ringed.call("GET", "/v2/dlq")).json["messages"]
    for target, empty in (
        ("/v2/queues", []),
        ("/v2/topics", []),
        ("/v2/schedules", []),
        ("/v2/dlq", {"messages": []}),
        ("/v2/events", {"events": []}),
    ):
        assert (await ringed.call("GET", target, token=OTHER)).json == empty
    for target in (f"/v2/messages/{message}", f"/v2/dlq/{letter['dlqId']}", "/v2/queues/q", "/v2/topics/g"):
        assert (await ringed.call("GET", target, token=OTHER)).status == 404
    assert (await ringed.call("DELETE", "/v2/messages", token=OTHER)).json == {"cancelled": 0}
    assert (await ringed.call("GET", "/v2/keys", token=OTHER)).json["current"] == "sig_two_current"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", f"/v2/publish/{URL}", 405),
        ("PUT", "/v2/queues", 405),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v3/queues", 404),
        ("GET", "/", 404),
        ("POST", "/v2/publish", 404),
        ("POST", "/v2/publish/", 400),
        ("GET", "/V2/Queues/", 200),
        ("GET", "/v2/flowcontrol", 200),
        ("GET", "/healthz", 200),
        ("GET", "/v2/messages/nonsense", 404),
        ("GET", "/v2/messages/msg_zzzzzzzzzzzzzzzz", 404),
        ("GET", "/v2/messages/msg_ffffffffffffffff", 404),
        ("GET", "/v2/bulkActions/ba_ffffffffffffffff", 404),
        ("GET", "/v2/dlq/99999999999999-0", 404),
        ("GET", "/v2/dlq?fromDate=99999999999999", 200),
        ("GET", "/v2/events?cursor=99999999999999", 200),
        ("GET", "/v2/workflows/logs?workflowCreatedAt=999999999999999", 200),
        ("DELETE", "/v2/messages?messageIds=msg_ffffffffffffffff", 202),
        ("GET", "/v2/events?cursor=nonsense", 400),
        ("GET", "/v2/events?state=NOPE", 400),
        ("GET", "/v2/dlq?fromDate=yesterday", 400),
        ("DELETE", "/v2/dlq?lable=x", 400),
        ("DELETE", "/v2/messages?lable=x", 400),
        ("POST", "/v2/dlq/retry?lable=x", 400),
        ("GET", "/v2/dlq?lable=x", 200),
        ("POST", "/v2/dlq/retry?dlqIds=1-1", 404),
        ("DELETE", "/v2/topics/none", 200),
        ("DELETE", "/v2/queues/none", 200),
        ("POST", "/v2/queues/none/pause", 404),
        ("POST", "/v2/flowControl/k/pin", 400),
        ("POST", "/v2/flowControl/k/pin?rate=x", 400),
        ("POST", "/v2/flowControl/k/pin?rate=1&period=1y", 400),
        ("POST", f"/v2/flowControl/{'k' * 255}/pause", 200),
        ("POST", f"/v2/flowControl/{'k' * 256}/pause", 400),
        ("POST", "/v2/flowControl/a%00b/pause", 400),
        ("GET", "/v2/flowControl/never", 404),
        ("POST", "/v2/enqueue/bad%20name/https://x.example", 400),
        ("POST", f"/v2/schedules/{URL}", 400),
    ],
)
async def test_every_answer_has_its_status_and_errors_their_text(
    ringed: InProcess, method: str, target: str, status: int
) -> None:
    answer = await ringed.call(method, target)
    assert answer.status == status
    if status >= 400:
        assert list(answer.json) == ["error"]
        assert answer.json["error"]
        assert not answer.json["error"].startswith("time:")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v2/batch", b"{"),
        ("/v2/batch", b'{"destination":"x"}'),
        ("/v2/batch", b'[{"destination":5}]'),
        ("/v2/batch", b'[{"destination":"https://x.example","body":"\\ud800"}]'),
        ("/v2/batch/trigger", b'[{"destination":"https://x.example"},{"destination":"group"}]'),
        ("/v2/queues", b"[]"),
        ("/v2/queues", b'{"queueName":"q","parallelism":0}'),
        ("/v2/queues", b'{"queueName":"q/r"}'),
        ("/v2/topics/g/endpoints", b'{"endpoints":[]}'),
        ("/v2/topics/g/endpoints", b'{"endpoints":[{"name":"n"}]}'),
        ("/v2/topics/g/endpoints", b'{"endpoints":[{"url":"ftp://x"}]}'),
    ],
)
async def test_a_wrong_body_is_refused_and_changes_nothing(ringed: InProcess, target: str, body: bytes) -> None:
    answer = await ringed.call("POST", target, body)
    assert answer.status == 400
    assert "trigger" not in target or answer.json["error"].startswith("item 1: invalid destination url")
    assert (await ringed.call("GET", "/v2/queues")).json == []
    assert (await ringed.call("GET", "/v2/topics")).json == []


async def pages(ringed: InProcess, target: str, envelope: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = (await ringed.call("GET", f"{target}{cursor}")).json
        seen += answer[envelope]
        if "cursor" not in answer:
            return seen
        cursor = f"&cursor={answer['cursor']}"


async def test_pages_of_events_and_letters_are_complete_and_without_repeats(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    for number in range(7):
        await ringed.publish(f"{URL}/{number % 2}", upstash_retries="0", upstash_label=f"l{number % 3}")
        await ringed.turn(10)
    events = await pages(ringed, "/v2/events?count=3", "events")
    assert len({(event["messageId"], event["state"]) for event in events}) == len(events) == 28
    assert [event["time"] for event in events] == sorted((event["time"] for event in events), reverse=True)
    assert len(await pages(ringed, "/v2/logs?count=5&order=earliestFirst&label=l0", "logs")) == 12
    letters = await pages(ringed, "/v2/dlq?count=2", "messages")
    assert len({letter["dlqId"] for letter in letters}) == 7
    assert len(await pages(ringed, f"/v2/dlq?count=2&url={URL}/1", "messages")) == 3
    assert len(await pages(ringed, "/v2/dlq?count=2&label=l0&label=l1&responseStatus=500", "messages")) == 5


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("url=https://a.example/x,https://b.example/y", 2),
        ("host=a.example", 2),
        ("host=c.example", 0),
        ("host=c.example:8443", 1),
        ("path=/x,/y", 3),
        ("label=red", 2),
        ("label=red,blue", 3),
        ("label=red&host=b.example", 1),
        ("queueName=q", 1),
        ("flowControlKey=k", 1),
        ("callerIp=192.0.2.1", 4),
        ("callerIP=10.0.0.1", 0),
        ("count=3", 4),
        ("toDate=1", 0),
    ],
)
async def test_bulk_cancel_takes_what_the_filter_says(ringed: InProcess, query: str, expected: int) -> None:
    await ringed.publish("https://a.example/x", upstash_delay="1h", upstash_label="red")
    await ringed.publish("https://a.example/z", upstash_delay="1h")
    await ringed.enqueue("q", "https://b.example/y", upstash_delay="1h", upstash_label="blue,red")
    flow = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "rate=1"}
    await ringed.publish("https://c.example:8443/y", upstash_delay="1h", upstash_label="blue", **flow)
    answer = await ringed.call("DELETE", f"/v2/messages?{query}")
    assert (answer.status, answer.json["cancelled"]) == (202, expected)
    assert (await ringed.call("DELETE", "/v2/messages")).json["cancelled"] == 4 - expected
    actions = (await ringed.call("GET", "/v2/bulkActions")).json["bulkActions"]
    assert [action["total"] for action in actions] == [4 - expected, expected]
    one = await ringed.call("GET", f"/v2/bulkActions/{actions[0]['actionId']}")
    assert one.json["state"] == "FINISHED"


async def test_nothing_is_destroyed_by_a_filter_that_says_nothing(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    await ringed.publish(URL, upstash_retries="0")
    await ringed.call("POST", "/v2/trigger/https://failing.example/flow", upstash_retries="0")
    await ringed.settle()
    await ringed.publish(URL, upstash_delay="1h")
    await ringed.call("POST", "/v2/trigger/https://flow.example/flow", upstash_delay="1h")
    for method, target, body, status in (
        ("DELETE", "/v2/messages?label=", b"", 400),
        ("DELETE", "/v2/messages", {"label": []}, 400),
        ("DELETE", "/v2/messages?toDate=", b"", 400),
        ("DELETE", "/v2/messages?label=x&async=maybe", b"", 400),
        ("DELETE", "/v2/dlq?queueName=,", b"", 400),
        ("DELETE", "/v2/dlq", {"messageId": ""}, 400),
        ("POST", "/v2/dlq/retry?label=", b"", 400),
        ("POST", "/v2/dlq/retry", {"lable": "x"}, 400),
        ("POST", "/v2/dlq/retry", {"dlqIds": ["1-1"]}, 404),
        ("POST", "/v2/dlq/retry", {"dlqIds": []}, 201),
        ("DELETE", "/v2/workflows/runs?workflowUrl=", b"", 400),
        ("DELETE", "/v2/workflows/runs?workflowUrl=https://flow.example&workflowUrlExactMatch=yes", b"", 400),
        ("DELETE", "/v2/workflows/dlq", {"label": ""}, 400),
        ("POST", "/v2/workflows/dlq/restart?failureFunctionState=", b"", 400),
    ):
        answer = await ringed.call(method, target, body)
        assert (answer.status, target) == (status, target)
        assert status != 400 or answer.json["error"].startswith(("invalid ", "unknown filter "))
    for target in ("/v2/dlq", "/v2/workflows/dlq"):
        assert len((await ringed.call("GET", target)).json["messages"]) == 1
    assert len((await ringed.call("GET", "/v2/workflows/logs?state=RUN_STARTED")).json["runs"]) == 1
    assert (await ringed.call("DELETE", "/v2/messages")).json["cancelled"] == 1


async def test_the_language_models_of_the_hosted_service_are_refused_by_name(ringed: InProcess) -> None:
    answer = await ringed.call("POST", "/llm/v1/chat/completions", {"model": "m", "messages": []})
    assert (answer.status, "the LLM proxy is not available" in answer.json["error"]) == (404, True)


async def test_keys_rotate_with_overlap(ringed: InProcess) -> None:
    before = (await ringed.call("GET", "/v2/keys")).json
    after = (await ringed.call("POST", "/v2/keys/rotate")).json
    assert after["current"] == before["next"]
    assert after["next"].startswith("sig_")
    assert (await ringed.call("GET", "/v2/keys")).json == after
    await ringed.publish(URL)
    await ringed.settle()
    from ringback.wire.signing import verify

    signature = ringed.header(0, "Upstash-Signature")
    assert signature
    verify(signature, b"x", [before["next"]], now_ms=ringed.at, url=URL)


async def test_a_schedule_ticks_and_tells_how_its_messages_did(ringed: InProcess) -> None:
    ringed.respond = answering(200, 500)
    made = await ringed.call(
        "POST", f"/v2/schedules/{URL}", b"tick", upstash_cron="*/5 * * * *", upstash_retries="0", upstash_queue_name="q"
    )
    schedule = made.json["scheduleId"]
    known = (await ringed.call("GET", f"/v2/schedules/{schedule}")).json
    assert known["nextScheduleTime"] % 300_000 == 0
    await ringed.turn(known["nextScheduleTime"] - ringed.at)
    known = (await ringed.call("GET", f"/v2/schedules/{schedule}")).json
    assert list(known["lastScheduleStates"].values()) == ["SUCCESS"]
    assert ringed.header(0, "Upstash-Schedule-Id") == schedule
    await ringed.turn(300_000)
    known = (await ringed.call("GET", f"/v2/schedules/{schedule}")).json
    assert list(known["lastScheduleStates"].values()) == ["FAIL"]
    assert [sent.body for sent in ringed.sent] == [b"tick", b"tick"]
    for method in ("PATCH", "POST"):
        assert (await ringed.call(method, f"/v2/schedules/{schedule}/pause")).status == 200
    await ringed.turn(3_600_000)
    assert len(ringed.sent) == 2
    await ringed.call("PATCH", f"/v2/schedules/{schedule}/resume")
    await ringed.turn(300_000)
    assert len(ringed.sent) == 3


async def test_a_url_outside_ascii_is_the_one_that_was_given_wherever_it_is_named(ringed: InProcess) -> None:
    url, other = "https://a.example/ü b?x=é#top", "https://a.example/u"
    listed = {"endpoints": [{"url": url}, {"url": other}]}
    await ringed.call("POST", "/v2/topics/g/endpoints", listed)
    published = (await ringed.call("POST", "/v2/publish/g", upstash_delay="1h")).json
    for asked in ({"url": url}, {"path": "/ü b"}):
        events = (await ringed.call("GET", f"/v2/events?{urlencode(asked)}")).json["events"]
        assert {one["messageId"] for one in events} == {published[0]["messageId"]}
        canceled = await ringed.call("DELETE", f"/v2/messages?{urlencode(asked)}")
        assert canceled.json["cancelled"] == ("url" in asked)
    await begin(ringed, "wfr_1", Upstash_Workflow_Url=url)
    runs = (await ringed.call("GET", f"/v2/workflows/logs?{urlencode({'workflowUrl': url})}")).json["runs"]
    assert [run["workflowRunId"] for run in runs] == ["wfr_1"]
    await ringed.call("DELETE", "/v2/topics/g/endpoints", {"endpoints": [{"url": url}]})
    assert (await ringed.call("GET", "/v2/topics/g")).json["endpoints"] == [{"url": other}]


async def test_what_only_schedules_ask_for_is_read_where_one_is_made(ringed: InProcess) -> None:
    for name, value in (("upstash_queue_name", "a/b"), ("upstash_schedule_id", "a b")):
        await ringed.publish(URL, **{name: value})
        refused = await ringed.call("POST", f"/v2/schedules/{URL}", upstash_cron="* * * * *", **{name: value})
        named = "Upstash-" + {"upstash_queue_name": "Queue-Name", "upstash_schedule_id": "Schedule-Id"}[name]
        assert (refused.status, named in refused.json["error"]) == (400, True)


async def test_a_cron_expression_never_means_at_once(ringed: InProcess) -> None:
    daily = {"upstash_cron": "0 3 * * *", "upstash_schedule_id": "nightly"}
    answer = await ringed.call("POST", f"/v2/enqueue/reports/{URL}", **daily)
    assert (answer.status, answer.json) == (200, {"scheduleId": "nightly"})
    assert (await ringed.call("GET", "/v2/schedules/nightly")).json["queueName"] == "reports"
    item = {"destination": URL, "headers": {"Upstash-Cron": "0 3 * * *"}}
    refused = await ringed.call("POST", "/v2/batch", [{"destination": URL}, item])
    assert (refused.status, "item 1: invalid header Upstash-Cron" in refused.json["error"]) == (400, True)
    await ringed.settle()
    assert ringed.sent == []


async def test_ticks_missed_while_the_broker_was_down_are_made_up_for_once(ringed: InProcess) -> None:
    await ringed.call("POST", f"/v2/schedules/{URL}", upstash_cron="* * * * *")
    ringed.at += 10 * 60_000
    await ringed.settle()
    assert len(ringed.sent) == 1
    await ringed.turn(60_000)
    assert len(ringed.sent) == 2


async def test_a_schedule_to_a_missing_group_says_so_and_goes_on(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/schedules/nogroup", upstash_cron="* * * * *", upstash_schedule_id="s")
    await ringed.turn(60_000)
    known = (await ringed.call("GET", "/v2/schedules/s")).json
    assert known["error"] == "topic nogroup not found"
    await ringed.call("POST", "/v2/topics/nogroup/endpoints", {"endpoints": [{"url": URL}]})
    await ringed.turn(60_000)
    assert len(ringed.sent) == 1
    assert "error" not in (await ringed.call("GET", "/v2/schedules/s")).json


async def test_redacted_parts_are_shown_as_hashes_everywhere(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    message = await ringed.publish(
        URL, b"secret", upstash_forward_x_k="v", upstash_redact_fields="body, header[x-k]", upstash_retries="0"
    )
    await ringed.settle()
    shown = [
        (await ringed.call("GET", f"/v2/messages/{message}")).json,
        (await ringed.call("GET", "/v2/dlq")).json["messages"][0],
        *(await ringed.call("GET", "/v2/events")).json["events"],
    ]
    for one in shown:
        assert one["body"] == "REDACTED:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        assert one["header"]["X-K"][0].startswith("REDACTED:")
    assert "secret" not in json.dumps(shown)
    assert ringed.sent[0].body == b"secret"


async def test_what_is_redacted_is_not_shown_of_callbacks_either(ringed: InProcess) -> None:
    headers = {"upstash_forward_x_k": "k-word", "upstash_failure_callback_forward_x_k": "k-word"}
    ringed.respond = answering(500, 200)
    message = await ringed.publish(
        URL,
        b"b-word",
        upstash_redact_fields="header[x-k]",
        upstash_retries="0",
        upstash_callback=f"{URL}/any",
        upstash_failure_callback=f"{URL}/failed",
        **headers,
    )
    await ringed.broker.dispatcher.idle()
    shown = [(await ringed.call("GET", path)).json for path in (f"/v2/messages/{message}", "/v2/dlq", "/v2/events")]
    assert shown[0]["failureCallbackHeader"]["X-K"][0].startswith("REDACTED:")
    assert "k-word" not in json.dumps(shown)
    told = [json.loads(sent.body) for sent in ringed.sent[1:]]
    assert [(one["sourceHeader"]["X-K"], base64.b64decode(one["sourceBody"])) for one in told] == [
        (["k-word"], b"b-word")
    ] * 2
