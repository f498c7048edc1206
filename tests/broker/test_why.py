"""Whatever does not move is named with its cause."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ringback.client import diagnosis
from ringback.testing import Answer, AsyncTestBroker
from ringback.workflow import Context, RunOptions
from support.inprocess import START, InProcess, answering, inprocess

URL = "https://endpoint.test/a"
SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000


async def why(ringed: InProcess, id_: str) -> dict[str, Any]:
    """Return the only cause why something is not further."""
    answer = await ringed.call("GET", f"/v2/why/{id_}")
    assert answer.status == 200, answer
    (cause,) = answer.json["causes"]
    assert isinstance(cause, dict)
    return cause


async def names_of_stalled(ringed: InProcess, longest: str = "10m") -> list[str]:
    answer = await ringed.call("GET", f"/v2/stalled?for={longest}")
    return [one.get("messageId") or one.get("workflowRunId") or one["scheduleId"] for one in answer.json["stalled"]]


async def test_a_delayed_message_waits_for_its_time_and_is_not_stalled(ringed: InProcess) -> None:
    message = await ringed.publish(URL, upstash_delay="1h")
    cause = await why(ringed, message)
    assert (cause["kind"], cause["until"]) == ("delayed", START + 60 * MINUTE)
    assert cause["text"] == "the message was asked for not before 2026-09-21 15:13:20 UTC"
    await ringed.turn(30 * MINUTE)
    assert await names_of_stalled(ringed) == []


async def test_a_failing_message_tells_how_it_failed_and_when_it_is_tried_again(ringed: InProcess) -> None:
    ringed.respond = answering(503)
    message = await ringed.publish(URL, upstash_retry_delay="3600000", upstash_retries="5")
    await ringed.turn(65 * MINUTE)
    cause = await why(ringed, message)
    assert cause["kind"] == "retrying"
    assert cause["text"] == (
        "the message failed 2 times, last with status 503; next attempt at 2026-09-21 16:13:20 UTC, 4 left"
    )
    assert await names_of_stalled(ringed) == [message]
    assert await names_of_stalled(ringed, "2h") == []


async def test_in_a_line_it_tells_how_long_that_is_and_who_holds_it(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    first = await ringed.enqueue("videos", URL, upstash_retry_delay="600000")
    second, third = [await ringed.enqueue("videos", URL) for _ in range(2)]
    await ringed.settle()
    cause = await why(ringed, third)
    assert cause["kind"] == "in line"
    assert cause["text"].startswith(
        "the message is in line for queue 'videos' behind 1 others (1 of 1 at work); the one before it holds the queue: "
        "the message failed once, last with status 500; next attempt at "
    )
    assert "as the first of 2" in (await why(ringed, second))["text"]
    await ringed.turn(9 * MINUTE)
    assert await names_of_stalled(ringed, "5m") == [second, first]


async def test_a_paused_queue_is_named_with_the_command_that_resumes_it(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "videos"})
    await ringed.call("POST", "/v2/queues/videos/pause")
    message = await ringed.enqueue("videos", URL)
    await ringed.settle()
    cause = await why(ringed, message)
    assert (cause["kind"], cause["remedy"]) == ("paused", "ringback queues resume videos")
    assert cause["text"].startswith("queue 'videos' is paused")


async def test_a_rate_is_named_with_the_end_of_its_period(ringed: InProcess) -> None:
    flow = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "rate=1, period=60"}
    await ringed.publish(URL, **flow)
    message = await ringed.publish(URL, **flow)
    await ringed.settle()
    cause = await why(ringed, message)
    assert (cause["kind"], cause["until"]) == ("in line", START + 60 * SECOND)
    assert "flow-control key 'k' as the first of 1 (1 of 1 in 60 s have started)" in cause["text"]


async def test_what_is_in_flight_tells_for_how_long_and_until_when(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    message = await ringed.publish(URL)
    await ringed.settle()
    ringed.at += 12 * MINUTE
    cause = await why(ringed, message)
    assert (cause["kind"], cause["until"]) == ("in flight", START + 15 * MINUTE)
    assert cause["text"].startswith("the message is in flight for 720 s")
    assert await names_of_stalled(ringed) == [message]


FULL_OF_BYTES = "this broker has 2,000 bytes of bodies in flight, and RINGBACK_IN_FLIGHT_BYTES allows 2,000"
FULL_OF_ATTEMPTS = "this broker has 2 attempts in flight, and RINGBACK_IN_FLIGHT allows 2"


@pytest.mark.parametrize(
    ("limits", "says"), [({"in_flight_bytes": 2000}, FULL_OF_BYTES), ({"room": 2}, FULL_OF_ATTEMPTS)]
)
async def test_what_waits_for_room_names_the_setting_and_the_log_says_so_once_a_minute(
    limits: dict[str, int], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    flow = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=10"}
    async with inprocess(**limits) as ringed:
        ringed.held = asyncio.Event()
        for _ in range(2):
            await ringed.publish(URL, b"x" * 1000)
        small, queued, keyed = (
            await ringed.publish(URL),
            await ringed.enqueue("q", URL),
            await ringed.publish(URL, **flow),
        )
        later = await ringed.publish(URL, upstash_delay="1h")
        with caplog.at_level(logging.WARNING, "ringback.engine"):
            await ringed.broker.scheduler.tick()
            assert not caplog.records  # a moment is no news
            for _ in range(119):
                ringed.at += SECOND
                await ringed.broker.scheduler.tick()
        assert [one.getMessage() for one in caplog.records] == [f"messages that are due wait for room: {says}"] * 2
        for message in (small, queued, keyed):
            cause = await why(ringed, message)
            assert (cause["kind"], cause["text"], cause["since"]) == (
                "no room",
                f"the message is due, and {says}",
                START,
            )
        assert (await why(ringed, later))["kind"] == "delayed"
        ringed.at += 12 * MINUTE
        assert small in await names_of_stalled(ringed)
        ringed.held.set()
        ringed.held = None
        await ringed.settle()
        assert (await why(ringed, small))["kind"] == "ended"


async def test_what_waits_here_for_its_host_names_the_setting_too() -> None:
    async with inprocess(per_host=1) as ringed:
        ringed.held = asyncio.Event()
        first, second = await ringed.publish(URL), await ringed.publish(URL)
        await ringed.settle()
        assert (await why(ringed, first))["kind"] == "in flight"
        cause = await why(ringed, second)
        assert cause["kind"] == "no room"
        assert cause["text"] == (
            "the message is due, and this broker has 1 attempts to endpoint.test in flight, as many as "
            "RINGBACK_IN_FLIGHT_PER_HOST allows"
        )


async def test_a_full_broker_that_holds_nothing_back_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with inprocess(room=1) as ringed:
        ringed.held = asyncio.Event()
        await ringed.publish(URL)
        await ringed.publish(URL, upstash_delay="1h")
        with caplog.at_level(logging.WARNING, "ringback.engine"):
            for _ in range(5):
                ringed.at += MINUTE
                await ringed.broker.scheduler.tick()
        assert not caplog.records


async def test_what_has_ended_tells_how(ringed: InProcess) -> None:
    message = await ringed.publish(URL)
    await ringed.settle()
    assert (await why(ringed, message))["text"].startswith("it has ended as DELIVERED at ")


@pytest.mark.parametrize("id_", ["msg_0000000000000000", "nonsense", "wfr_none"])
async def test_what_is_not_there_is_not_found(ringed: InProcess, id_: str) -> None:
    assert (await ringed.call("GET", f"/v2/why/{id_}")).status == 404


async def test_other_accounts_see_nothing_of_it(ringed: InProcess) -> None:
    message = await ringed.publish(URL, upstash_delay="1h")
    assert (await ringed.call("GET", f"/v2/why/{message}", token="token-two")).status == 404


async def test_a_wrong_duration_is_refused(ringed: InProcess) -> None:
    assert (await ringed.call("GET", "/v2/stalled?for=soon")).status == 400


@pytest.fixture
async def broker() -> AsyncIterator[AsyncTestBroker]:
    async with AsyncTestBroker() as broker:
        yield broker


async def causes(broker: AsyncTestBroker, run_id: str) -> list[tuple[str, str]]:
    """Return why a run is not further."""
    told = await broker.client.transport.send(diagnosis.why(run_id))
    return [(cause["kind"], cause["text"]) for cause in told["causes"]]


async def sleeps(context: Context[None]) -> None:
    await context.sleep("nap", "3d")


async def waits(context: Context[None]) -> None:
    await context.wait_for_event("approval", "approved:7", timeout="2d")


async def invokes(context: Context[None]) -> None:
    await context.invoke("child", sleeps)


async def fails(context: Context[None]) -> None:
    await context.parallel(context.run("a", str), context.run("b", str))


@pytest.mark.parametrize(
    ("function", "kind", "says"),
    [
        (sleeps, "asleep", "step 'nap' sleeps until "),
        (waits, "event", "step 'approval' waits for event 'approved:7' until "),
        (invokes, "child", "it waits for the run wfr_"),
    ],
)
async def test_a_run_tells_what_its_step_waits_for(
    function: Callable[..., Any], kind: str, says: str, broker: AsyncTestBroker
) -> None:
    broker.serve(sleeps)
    run = await broker.trigger(function)
    await broker.run_until_idle()
    ((found, text),) = await causes(broker, run.id)
    assert found == kind
    assert text.startswith(says)


async def test_a_run_with_a_failing_step_names_it(broker: AsyncTestBroker) -> None:
    broker.fail("a", 3)
    run = await broker.trigger(fails, options=RunOptions(retry_delay="60000"))
    await broker.run_until_idle()
    ((kind, text),) = await causes(broker, run.id)
    assert kind == "retrying"
    assert text.startswith("the delivery of step 'a' failed once, last with status 500; next attempt at ")


async def test_an_endpoint_that_accepts_and_does_nothing_is_found_out(broker: AsyncTestBroker) -> None:
    url = "https://app.test/order"
    broker.stub(url, Answer(headers={"Upstash-Workflow-Sdk-Version": "1", "Upstash-Workflow-Sdk": "v1.3.2"}))
    run = await broker.trigger(url)
    await broker.run_until_idle()
    ((kind, text),) = await causes(broker, run.id)
    assert kind == "nothing left"
    assert "neither a step nor an end has followed" in text
    await broker.turn("1h")
    told = await broker.client.transport.send(diagnosis.stalled("30m"))
    assert [one["workflowRunId"] for one in told] == [run.id]


async def test_the_watchdog_names_what_does_not_move_once(ringed: InProcess, caplog: pytest.LogCaptureFixture) -> None:
    ringed.respond = answering(503)
    message = await ringed.publish(URL, upstash_retry_delay="3600000", upstash_retries="5")
    with caplog.at_level(logging.WARNING, "ringback.watchdog"):
        for _ in range(3):
            await ringed.turn(31 * MINUTE)
            await ringed.broker.watchdog.tick()
    told = [record.getMessage() for record in caplog.records if record.name == "ringback.watchdog"]
    assert [text.partition(":")[0] for text in told] == [f"{message} makes no progress"]


async def test_a_schedule_for_a_group_that_is_missing_is_named_before_its_first_tick(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/schedules/shops", upstash_cron="0 0 1 1 *", upstash_schedule_id="s")
    listed = (await ringed.call("GET", "/v2/schedules")).json
    assert [one["error"] for one in listed] == ["topic shops not found"]
    told = (await ringed.call("GET", "/v2/why/s")).json
    assert [one["kind"] for one in told["causes"]] == ["no message", "tick"]
    assert told["causes"][0]["text"] == "there is no URL group 'shops': the ticks of the schedule s make no message"
    assert told["causes"][0]["remedy"] == "ringback groups add shops URL, or ringback schedules delete s"
    assert await names_of_stalled(ringed) == ["s"]
    await ringed.call("POST", "/v2/topics/shops/endpoints", {"endpoints": [{"url": URL}]})
    assert (await why(ringed, "s"))["kind"] == "tick"
    assert "error" not in (await ringed.call("GET", "/v2/schedules/s")).json
    assert await names_of_stalled(ringed) == []


async def test_a_schedule_for_an_address_without_its_scheme_is_refused(ringed: InProcess) -> None:
    refused = await ringed.call("POST", "/v2/schedules/shop.example/hook", upstash_cron="@daily")
    assert (refused.status, refused.json["error"]) == (
        400,
        "invalid destination 'shop.example/hook': the address of an endpoint begins with http:// or https://",
    )


async def test_a_tick_that_failed_is_told_until_one_succeeds_and_not_of_a_paused_schedule(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/schedules/shops", upstash_cron="* * * * *", upstash_schedule_id="s")
    await ringed.turn(MINUTE)
    await ringed.call("POST", "/v2/topics/shops/endpoints", {"endpoints": [{"url": URL}]})
    failed = (await ringed.call("GET", "/v2/why/s")).json["causes"][0]
    assert failed["text"].endswith("made no message: topic shops not found")
    assert failed["remedy"] == "once it is put right, ringback schedules run s"
    assert await names_of_stalled(ringed) == ["s"]
    await ringed.call("PATCH", "/v2/schedules/s/pause")
    assert [one["kind"] for one in (await ringed.call("GET", "/v2/why/s")).json["causes"]] == ["no message", "paused"]
    assert await names_of_stalled(ringed) == []
    await ringed.call("PATCH", "/v2/schedules/s/resume")
    await ringed.turn(MINUTE)
    assert (await why(ringed, "s"))["kind"] == "tick"
