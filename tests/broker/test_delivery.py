"""From publish to the end of a message: attempts, waits, callbacks, dead letters."""

import asyncio
import base64
import itertools
import json
from typing import Any

import pytest

from ringback.broker.operations import settle as settling
from ringback.broker.records import Delivery, Message
from ringback.broker.rules.settle import Settled
from ringback.wire.http import Outcome
from ringback.wire.signing import verify
from support.inprocess import START, InProcess, answering, inprocess

URL = "https://api.example.com/in?src=web"


async def test_a_delivery_is_what_was_published_and_signed(ringed: InProcess) -> None:
    message = await ringed.publish(
        f"{URL}&upstash-retries=7&qstash_token=nobody", b"\xffraw", content_type="x/y", upstash_forward_x_a="1"
    )
    await ringed.settle()
    (sent,) = ringed.sent
    assert (sent.method, sent.url, sent.body) == ("POST", URL, b"\xffraw")
    headers = dict(sent.headers)
    assert (headers["Content-Type"], headers["X-A"], headers["Upstash-Message-Id"]) == ("x/y", "1", message)
    assert "Authorization" not in headers
    claims = verify(headers["Upstash-Signature"], b"\xffraw", ["sig_one_current"], now_ms=ringed.at, url=URL)
    assert claims.url == URL
    assert await ringed.events(message) == ["CREATED", "ACTIVE", "DELIVERED"]


async def test_the_worked_example_of_the_reference(ringed: InProcess) -> None:
    """Protocol 4.11, to the letter."""
    ringed.respond = lambda sent: Outcome(200 if "cb.example" in sent.url else 503, [], b"busy")
    message = await ringed.publish(
        URL,
        b'{"n":1}',
        content_type="application/json",
        upstash_retries="1",
        upstash_retry_delay="2000",
        upstash_forward_x_tenant="42",
        upstash_callback="https://cb.example/any",
        upstash_failure_callback="https://cb.example/failed",
    )
    await ringed.settle()
    await ringed.turn(1999)
    assert [sent.url for sent in ringed.sent] == [URL, "https://cb.example/any"]
    await ringed.turn(1)
    assert [sent.url for sent in ringed.sent[2:]] == [
        URL,
        "https://cb.example/any",
        "https://cb.example/failed",
    ]
    assert await ringed.events(message) == ["CREATED", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "ERROR", "FAILED"]
    (failed,) = (await ringed.call("GET", "/v2/events?state=FAILED")).json["events"]
    assert (failed["error"], failed["responseStatus"]) == ("unexpected status 503", 503)
    told = json.loads(ringed.sent[4].body)
    (letter,) = (await ringed.call("GET", "/v2/dlq")).json["messages"]
    assert told == {
        "status": 503,
        "header": {},
        "body": base64.b64encode(b"busy").decode(),
        "retried": 1,
        "maxRetries": 1,
        "dlqId": letter["dlqId"],
        "sourceMessageId": message,
        "url": URL,
        "method": "POST",
        "sourceHeader": {"Content-Type": ["application/json"], "X-Tenant": ["42"]},
        "sourceBody": base64.b64encode(b'{"n":1}').decode(),
        "notBefore": START,
        "createdAt": START,
        "callerIP": "192.0.2.1",
    }
    assert "X-Tenant" not in dict(ringed.sent[4].headers)
    retried = await ringed.call("POST", f"/v2/dlq/retry?dlqIds={letter['dlqId']}")
    assert (retried.status, len(retried.json["responses"])) == (201, 1)
    assert (await ringed.call("GET", "/v2/dlq")).json == {"messages": []}
    assert retried.json["responses"][0]["messageId"] != message


async def test_the_default_backoff_is_that_of_the_reference(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    await ringed.publish(URL, upstash_retries="3")
    times = []
    for _ in range(4):
        await ringed.settle()
        times.append(ringed.at)
        await ringed.turn(((await ringed.broker.scheduler.tick()) or ringed.at) - ringed.at)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits == [12_000, 148_000, 1_808_000]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "2"}, 2000),
        ({"Retry_After": "2s"}, 2000),
        ({"Retry_After": "0"}, 0),
        ({"X_RateLimit_Reset": "6m5s"}, 365_000),
        ({"X_RateLimit_Reset_Tokens": "120ms"}, 120),
        ({"Retry_After": "2d", "X_RateLimit_Reset": "3"}, 3000),
        ({"Retry_After": "nonsense"}, 777),
    ],
)
async def test_an_answer_says_when_to_come_again(ringed: InProcess, headers: dict[str, str], wait: int) -> None:
    ringed.respond = answering(429, **headers)
    await ringed.publish(URL, upstash_retries="1", upstash_retry_delay="777")
    await ringed.settle()
    if wait:
        assert len(ringed.sent) == 1
        await ringed.turn(wait - 1)
        assert len(ringed.sent) == 1
        await ringed.turn(1)
    assert len(ringed.sent) == 2


async def test_489_with_its_header_stops_at_once_and_alone_does_not(ringed: InProcess) -> None:
    ringed.respond = answering(489, Upstash_NonRetryable_Error="TRUE")
    final = await ringed.publish(URL, upstash_retries="5")
    await ringed.settle()
    assert await ringed.events(final) == ["CREATED", "ACTIVE", "ERROR", "FAILED"]
    ringed.respond = answering(489)
    ordinary = await ringed.publish(URL, upstash_retries="5")
    await ringed.settle()
    assert (await ringed.events(ordinary))[-1] == "RETRY"


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_everything_but_2xx_is_a_failure(ringed: InProcess, status: int) -> None:
    ringed.respond = answering(status)
    message = await ringed.publish(URL, upstash_retries="0")
    await ringed.settle()
    assert (await ringed.events(message))[-1] == "FAILED"


async def test_no_answer_at_all_is_told(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(0, error="connection refused")
    await ringed.publish(URL, upstash_retries="0")
    await ringed.settle()
    (letter,) = (await ringed.call("GET", "/v2/dlq")).json["messages"]
    assert (letter["responseStatus"], letter["responseBody"]) == (0, "connection refused")


async def test_a_delay_is_waited_for_and_not_before_wins(ringed: InProcess) -> None:
    await ringed.publish(URL, upstash_delay="10s")
    await ringed.publish(URL, upstash_delay="1s", upstash_not_before=str((START + 20_000) // 1000))
    await ringed.turn(9_999)
    assert ringed.sent == []
    await ringed.turn(1)
    assert len(ringed.sent) == 1
    await ringed.turn(9_999)
    assert len(ringed.sent) == 1
    await ringed.turn(1)
    assert len(ringed.sent) == 2


async def test_duplicates_are_one_message_for_ten_minutes(ringed: InProcess) -> None:
    first = await ringed.publish(URL, upstash_deduplication_id="d")
    again = await ringed.call("POST", "/v2/publish/https://other.example", upstash_deduplication_id="d")
    assert (again.status, again.json["messageId"], again.json["deduplicated"]) == (202, first, True)
    await ringed.turn(600_000)
    assert await ringed.publish(URL, upstash_deduplication_id="d") != first


async def test_a_callback_can_have_callbacks_of_its_own(ringed: InProcess) -> None:
    ringed.respond = lambda sent: Outcome(500 if "first" in sent.url else 200, [], b"")
    await ringed.publish(
        URL,
        upstash_callback="https://cb.example/first",
        upstash_callback_retries="0",
        upstash_callback_forward_authorization="Bearer x",
        upstash_callback_failure_callback="https://cb.example/second",
    )
    await ringed.settle()
    assert [sent.url for sent in ringed.sent] == [URL, "https://cb.example/first", "https://cb.example/second"]
    assert ringed.header(1, "Authorization") == "Bearer x"
    assert json.loads(ringed.sent[2].body)["url"] == "https://cb.example/first"


async def test_canceling_in_flight_lets_the_attempt_decide(ringed: InProcess) -> None:
    import asyncio

    ringed.held = asyncio.Event()
    ringed.respond = answering(500, 200)
    failing = await ringed.publish(URL)
    await ringed.settle()
    assert (await ringed.call("DELETE", f"/v2/messages/{failing}")).json == {"cancelled": 1}
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert await ringed.events(failing) == ["CREATED", "ACTIVE", "CANCEL_REQUESTED", "ERROR", "CANCELED"]
    assert (await ringed.call("GET", "/v2/dlq")).json["messages"] == []


async def test_an_ended_message_can_be_read_for_a_minute(ringed: InProcess) -> None:
    message = await ringed.publish(URL)
    await ringed.settle()
    await ringed.turn(60_000)
    assert (await ringed.call("GET", f"/v2/messages/{message}")).status == 200
    await ringed.turn(1)
    assert (await ringed.call("GET", f"/v2/messages/{message}")).status == 404


async def test_a_group_fans_out_and_its_defaults_are_weakest(ringed: InProcess) -> None:
    endpoints = [{"url": "https://a.example", "name": "a"}, {"url": "https://b.example"}]
    await ringed.call("POST", "/v2/topics/g/endpoints", {"endpoints": endpoints})
    defaults = {"headers": {"Upstash-Retries": "1", "Upstash-Forward-X-D": ["d"]}}
    assert (await ringed.call("PATCH", "/v2/topics/g", defaults)).status == 200
    answers = (await ringed.call("POST", "/v2/publish/g", b"x", upstash_delay="1h")).json
    assert [one["url"] for one in answers] == ["https://a.example", "https://b.example"]
    message = (await ringed.call("GET", f"/v2/messages/{answers[0]['messageId']}")).json
    assert (message["topicName"], message["endpointName"], message["maxRetries"]) == ("g", "a", 1)
    assert message["header"] == {"X-D": ["d"]}
    again = await ringed.call("POST", "/v2/publish/g", b"x", upstash_delay="1h", upstash_retries="5")
    message = (await ringed.call("GET", f"/v2/messages/{again.json[1]['messageId']}")).json
    assert (message["maxRetries"], "endpointName" in message) == (5, False)


async def test_publishing_with_a_cron_makes_a_schedule(ringed: InProcess) -> None:
    answer = await ringed.call("POST", f"/v2/publish/{URL}", upstash_cron="* * * * *")
    assert answer.json["scheduleId"].startswith("scd_")


async def test_api_llm_is_where_the_settings_say_and_wants_a_callback() -> None:
    async with inprocess(llm_url="https://llm.example/") as ringed:
        refused = await ringed.call("POST", "/v2/publish/api/llm", b"{}")
        assert (refused.status, refused.json["error"][:31]) == (400, "missing header Upstash-Callback")
        await ringed.publish("api/llm", b"{}", upstash_callback="https://cb.example")
        await ringed.settle()
        assert [sent.url for sent in ringed.sent] == ["https://llm.example/v1/chat/completions", "https://cb.example"]


async def test_api_email_is_where_the_settings_say() -> None:
    async with inprocess(email_url="https://mail.example/emails") as ringed:
        await ringed.publish("api/email", b"{}", upstash_forward_authorization="Bearer mail")
        await ringed.settle()
        [sent] = ringed.sent
        assert (sent.url, dict(sent.headers)["Authorization"]) == ("https://mail.example/emails", "Bearer mail")


async def test_without_that_setting_api_destinations_are_refused(ringed: InProcess) -> None:
    for target in ("api/llm", "api/email"):
        answer = await ringed.call("POST", f"/v2/publish/{target}", b"{}", upstash_callback="https://cb.example")
        assert answer.status == 400


async def test_a_message_that_is_leased_anew_before_its_last_attempt_is_let_go_of_is_held_all_the_same() -> None:
    """A retry without a wait can be handed over before the task of the attempt before has ended."""
    async with inprocess() as ringed:
        dispatcher, handed = ringed.broker.dispatcher, []
        submit = dispatcher.submit
        dispatcher.submit = lambda one: (handed.append(one), submit(one))[1]  # type: ignore[method-assign, assignment, misc]
        ringed.held = first = asyncio.Event()
        await ringed.publish(URL)
        await ringed.settle()
        ringed.held = second = asyncio.Event()
        dispatcher.submit(handed[0])
        await ringed.settle()
        first.set()
        async with asyncio.timeout(20):
            while len(dispatcher._tasks) > 1:
                await asyncio.sleep(0)
        assert dispatcher.holds(handed[0].message.seq)
        second.set()


async def test_no_more_than_there_is_room_for_is_attempted_at_once_however_much_is_taken_in_at_once() -> None:
    async with inprocess(room=2) as ringed:
        ringed.held = asyncio.Event()
        batch = [{"destination": f"https://{name}.example/in", "body": "x"} for name in "aaabbbcc"]
        assert (await ringed.call("POST", "/v2/batch", batch)).status == 200
        await ringed.settle()
        assert ringed.in_flight == 2
        ringed.held.set()
        await ringed.settle()
        assert (ringed.most_in_flight, len(ringed.sent)) == (2, 8)


async def test_a_fault_of_the_broker_is_an_attempt_that_failed(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> Outcome:
        raise RuntimeError("a bug")

    ringed.respond = broken
    message = await ringed.publish(URL, upstash_retries="0")
    await ringed.settle()
    assert (await ringed.events(message))[-1] == "FAILED"
    assert "an attempt broke off" in caplog.text


async def test_an_answer_that_cannot_be_taken_in_is_an_attempt_that_failed(
    ringed: InProcess, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = settling.decide

    def broken(message: Message, delivery: Delivery, outcome: Outcome, *of: Any, **more: Any) -> Settled:
        if outcome.status == 200:
            raise RuntimeError("a bug")
        return decide(message, delivery, outcome, *of, **more)

    monkeypatch.setattr(settling, "decide", broken)
    message = await ringed.publish(URL, upstash_retries="1", upstash_retry_delay="0")
    await ringed.settle()
    assert (await ringed.events(message))[-1] == "FAILED"
    assert len(ringed.sent) == 2
    assert "cannot be taken in" in caplog.text
