"""Every limit, at the limit and one past it."""

import ipaddress
from collections.abc import AsyncIterator

import pytest

from ringback.broker.api.api import caller
from ringback.broker.settings import Limits
from ringback.wire.http import Outcome, Request
from support.inprocess import OTHER, InProcess, inprocess
from support.runs import BOTH, batch, begin, init, log, step, wait
from support.runs import URL as RUNS

URL = "https://api.example.com/in"
SMALL = Limits(
    body_bytes=10,
    delay_ms=10_000,
    timeout_ms=5_000,
    retries=2,
    queue_parallelism=2,
    queues=1,
    schedules=1,
    groups=1,
    group_endpoints=2,
)


@pytest.fixture
async def small() -> AsyncIterator[InProcess]:
    async with inprocess(limits=SMALL) as running:
        yield running


@pytest.mark.parametrize(
    ("fits", "too_much", "text"),
    [
        ({"body": b"x" * 10}, {"body": b"x" * 11}, "quota maxMessageSize exceeded, current limit: 10"),
        ({"upstash_delay": "10s"}, {"upstash_delay": "10001ms"}, "quota maxDelay exceeded, current limit: 10"),
        ({"upstash_timeout": "5s"}, {"upstash_timeout": "5001ms"}, "quota maxTimeout exceeded, current limit: 5"),
        ({"upstash_retries": "2"}, {"upstash_retries": "3"}, "quota maxRetries exceeded, current limit: 2"),
    ],
)
async def test_what_one_message_may_ask_for(
    small: InProcess, fits: dict[str, object], too_much: dict[str, object], text: str
) -> None:
    for target in (f"/v2/publish/{URL}", f"/v2/schedules/{URL}"):
        more = {"upstash_cron": "* * * * *", "upstash_schedule_id": "s"} if "schedules" in target else {}
        assert (await small.call("POST", target, **(fits | more))).status == 200  # type: ignore[arg-type]
        refused = await small.call("POST", target, **(too_much | more))  # type: ignore[arg-type]
        assert (refused.status, refused.json) == (412, {"error": text})


@pytest.mark.parametrize(
    "prefix", ["upstash_callback", "upstash_failure_callback", "upstash_callback_failure_callback"]
)
async def test_a_callback_may_ask_for_no_more_than_a_message(small: InProcess, prefix: str) -> None:
    told = {"upstash_callback": "https://cb.example/", "upstash_failure_callback": "https://cb.example/"}
    told |= {"upstash_callback_failure_callback": "https://cb.example/"}
    for name, fits, too_much in (("retries", "2", "3"), ("timeout", "5s", "6s"), ("delay", "10s", "11s")):
        for target in (f"/v2/publish/{URL}", f"/v2/trigger/{URL}"):
            assert (await small.call("POST", target, **told, **{f"{prefix}_{name}": fits})).status == 200
            refused = await small.call("POST", target, **told, **{f"{prefix}_{name}": too_much})
            assert (refused.status, "exceeded, current limit" in refused.json["error"]) == (412, True)


async def test_an_event_is_no_larger_than_a_message_whoever_sends_it(small: InProcess) -> None:
    small.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    await begin(small)
    third = {"stepId": 1, "stepName": "w", "stepType": "WaitForWebhook", "concurrent": 1}
    await small.call("POST", "/v2/wait/evt_1", wait() | {"step": third})
    for target, token in (("/v2/notify/wfr_1/paid", "token-one"), ("/v2/workflows/hooks/one/wfr_1/evt_1", None)):
        assert (await small.call("POST", target, b"x" * 10, token=token)).status < 300
        refused = await small.call("POST", target, b"x" * 11, token=token)
        assert (refused.status, "maxMessageSize" in refused.json["error"]) == (412, True)


async def test_a_not_before_too_far_away(small: InProcess) -> None:
    at = small.at // 1000
    assert (await small.call("POST", f"/v2/publish/{URL}", upstash_not_before=str(at + 10))).status == 200
    assert (await small.call("POST", f"/v2/publish/{URL}", upstash_not_before=str(at + 11))).status == 412


async def test_one_item_too_large_refuses_the_whole_batch(small: InProcess) -> None:
    items = [{"destination": URL, "body": "x" * size} for size in (10, 11)]
    refused = await small.call("POST", "/v2/batch", items)
    assert (refused.status, refused.json["error"][:7]) == (412, "item 1:")
    await small.settle()
    assert small.sent == []


@pytest.mark.parametrize(
    ("target", "first", "second", "text"),
    [
        ("/v2/queues", {"queueName": "a"}, {"queueName": "b"}, "quota maxQueues exceeded"),
        ("/v2/queues", {"queueName": "a", "parallelism": 2}, {"queueName": "a", "parallelism": 3}, "maxParallelism"),
    ],
)
async def test_queues(
    small: InProcess, target: str, first: dict[str, object], second: dict[str, object], text: str
) -> None:
    assert (await small.call("POST", target, first)).status == 200
    refused = await small.call("POST", target, second)
    assert refused.status == 412
    assert text in refused.json["error"]
    assert (await small.call("POST", target, first)).status == 200


async def test_schedules(small: InProcess) -> None:
    async def create(name: str) -> int:
        answer = await small.call("POST", f"/v2/schedules/{URL}", upstash_cron="* * * * *", upstash_schedule_id=name)
        return answer.status

    assert [await create(name) for name in ("a", "b", "a")] == [200, 412, 200]


async def test_what_a_url_group_asks_for_is_refused_when_it_is_set_and_not_only_when_somebody_publishes(
    small: InProcess,
) -> None:
    await small.call("POST", "/v2/topics/g/endpoints", {"endpoints": [{"url": URL}]})
    for name, fits, too_much in (("Retries", "2", "3"), ("Delay", "10s", "11s"), ("Callback-Timeout", "5s", "6s")):
        headers = {"Upstash-Callback": URL, f"Upstash-{name}": fits}
        assert (await small.call("PATCH", "/v2/topics/g", {"headers": headers})).status == 200
        refused = await small.call("PATCH", "/v2/topics/g", {"headers": headers | {f"Upstash-{name}": too_much}})
        assert (refused.status, "exceeded, current limit" in refused.json["error"]) == (412, True)
    assert (await small.call("POST", "/v2/publish/g")).status == 200


async def test_url_groups_and_their_endpoints(small: InProcess) -> None:
    async def upsert(group: str, *urls: str) -> int:
        body = {"endpoints": [{"url": f"https://{url}.example"} for url in urls]}
        return (await small.call("POST", f"/v2/topics/{group}/endpoints", body)).status

    assert await upsert("g", "a", "b") == 200
    assert await upsert("g", "c") == 412
    assert await upsert("h", "a") == 412


async def test_messages_of_a_day() -> None:
    async with inprocess(limits=Limits(messages_per_day=2)) as ringed:
        items = [{"destination": URL}, {"destination": URL}]
        assert (await ringed.call("POST", "/v2/batch", items)).status == 200
        refused = await ringed.call("POST", f"/v2/publish/{URL}")
        midnight = (ringed.at // 86_400_000 + 1) * 86_400
        assert (refused.status, refused.headers["RateLimit-Reset"]) == (429, str(midnight))
        assert refused.headers["RateLimit-Limit"] == "2"
        assert (await ringed.call("POST", f"/v2/publish/{URL}", token=OTHER)).status == 200
        await ringed.turn(midnight * 1000 - ringed.at)
        assert (await ringed.call("POST", f"/v2/publish/{URL}")).status == 200


async def test_a_run_is_one_message_of_its_day_however_many_steps_it_has() -> None:
    async with inprocess(limits=Limits(messages_per_day=3)) as ringed:
        ringed.respond = lambda _: Outcome(200, list(BOTH), b"{}")
        await begin(ringed)
        assert (await ringed.call("POST", f"/v2/trigger/{RUNS}")).status == 200
        assert (await batch(ringed, step(1), step(2))).status == 200
        assert (await begin(ringed))["deduplicated"]
        assert (await ringed.call("POST", "/v2/batch/trigger", [{"destination": RUNS}])).status == 201
        for refused in (
            await batch(ringed, {"destination": RUNS, "headers": init("wfr_2")}),
            await ringed.call("POST", f"/v2/trigger/{RUNS}"),
            await ringed.call("POST", f"/v2/publish/{URL}"),
        ):
            assert (refused.status, refused.headers["RateLimit-Limit"]) == (429, "3")
        assert (await batch(ringed, step(3))).status == 200


async def test_a_run_begun_again_may_ask_for_no_more_than_a_new_one(small: InProcess) -> None:
    small.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    await begin(small, Upstash_Retries="0")
    for call in ("resume", "restart"):
        refused = await small.call("POST", f"/v2/workflows/dlq/{call}", upstash_retries="3")
        assert (refused.status, refused.json) == (412, {"error": "quota maxRetries exceeded, current limit: 2"})
    again = await small.call("POST", "/v2/workflows/dlq/restart", upstash_retries="2")
    assert (again.status, len(again.json["workflowRuns"])) == (200, 1)


async def test_a_result_of_a_run_is_no_larger_than_a_message(small: InProcess) -> None:
    small.respond = lambda _: Outcome(200, list(BOTH), b"{}")
    await begin(small)
    refused = await small.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=false", b"x" * 11)
    assert (refused.status, refused.json) == (412, {"error": "quota maxMessageSize exceeded, current limit: 10"})
    assert (await log(small))["workflowState"] == "RUN_STARTED"
    assert (await small.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=false", b"x" * 10)).status == 200
    assert (await log(small))["workflowRunResponse"] == "x" * 10


async def test_management_calls_of_a_second() -> None:
    async with inprocess(limits=Limits(requests_per_second=2)) as ringed:
        statuses = [(await ringed.call("GET", "/v2/queues")).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await ringed.call("GET", "/v2/queues")
        assert refused.headers["Burst-RateLimit-Reset"] == str(ringed.at // 1000 + 1)
        assert "RateLimit-Limit" not in refused.headers
        assert (await ringed.call("POST", f"/v2/publish/{URL}")).status == 200
        assert (await ringed.call("GET", "/v2/queues", token=OTHER)).status == 200
        ringed.at += 1000
        rings = [await ringed.call("POST", "/v2/workflows/hooks/one/r/e", token=None) for _ in range(3)]
        assert [one.status for one in rings] == [404, 404, 429]  # who shows no token takes nothing from who does
        assert (await ringed.call("GET", "/v2/queues")).status == 200


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.9, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
    ],
)
def test_who_called_is_told_by_proxies_we_trust_only(peer: str, header: str, expected: str) -> None:
    request = Request("GET", "/", [("x-forwarded-for", header)], b"", peer)
    assert caller(request, (ipaddress.ip_network("10.0.0.0/8"),)) == expected


def test_an_address_that_the_caller_sends_is_not_believed_where_the_proxy_adds_a_line_of_its_own() -> None:
    lines = [("x-forwarded-for", "198.51.100.66"), ("accept", "*/*"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")]
    request = Request("GET", "/", lines, b"", "10.0.0.1")
    assert caller(request, (ipaddress.ip_network("10.0.0.0/8"),)) == "203.0.113.7"


async def test_what_is_too_long_for_an_address_or_an_id_is_refused_with_its_name(ringed: InProcess) -> None:
    url, run = f"{URL}/{'x' * 8192}", {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": "r" * 513}
    step = {"stepId": 1, "stepName": "w", "stepType": "Wait", "concurrent": 1}
    defaults = {"headers": {"Upstash-Forward-X": "x" * 70_000}}
    for method, target, body, text in (
        ("POST", f"/v2/publish/{url}", "x", "invalid destination url: longer than 8192 characters"),
        ("POST", "/v2/batch", [{"destination": URL, "headers": run}], "Upstash-Workflow-RunId: longer than 512 char"),
        ("POST", f"/v2/wait/{'e' * 513}", {"url": URL, "step": step}, "invalid event id: longer than 512 characters"),
        ("POST", f"/v2/notify/{'e' * 513}", "x", "invalid event id: longer than 512 characters"),
        ("POST", "/v2/topics/t/endpoints", {"endpoints": [{"url": url}]}, "invalid endpoints[0].url: longer than 8192"),
        ("PATCH", "/v2/topics/t", defaults, "invalid headers: larger than 65536 characters together"),
    ):
        answer = await ringed.call(method, target, body)
        status = 412 if "event id" in text else 400  # SDKs take 400 of these for the end of their run
        assert (answer.status, text in answer.json["error"]) == (status, True), answer
