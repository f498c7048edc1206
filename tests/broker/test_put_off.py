"""A fault of the broker's own leaves no message in flight, and none that stands before others in a line: it is put off."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringback.broker.changes import Changes
from ringback.broker.operations import lanes, put_off
from ringback.broker.operations import settle as settling
from ringback.broker.records import Delivery, Lane, Message
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query
from ringback.broker.stores.sqlite import SqliteStore
from ringback.wire.http import Outcome
from support.inprocess import InProcess, inprocess

URL = "https://app.example/hook"
KEY = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=1"}
MINUTE, HOUR = 60_000, 3_600_000

Faults = list[str]


def only_poison(rule: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
    """Return a rule with a bug that shows on one message, as long as there are faults."""

    def broken(message: Message, *of: Any, **more: Any) -> Any:
        if message.body == b"poison" and faults:
            raise RuntimeError(faults[0])
        return rule(message, *of, **more)

    return broken


@pytest.fixture
def no_outcome(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Let no outcome of the poison be taken in, good or bad."""
    faults = ["a bug"]
    monkeypatch.setattr(settling, "decide", only_poison(settling.decide, faults))
    return faults


@pytest.fixture
def no_passing(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Let the poison not pass a lane, once there are faults."""
    faults: Faults = []
    monkeypatch.setattr(lanes, "admit", only_poison(lanes.admit, faults))
    return faults


@pytest.fixture
def no_beginning(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Let the poison not be begun, once there are faults; it can be taken in."""
    faults: Faults = []
    rule = lanes.admit

    def broken(message: Message, delivery: Delivery, passed: Any, moment: Moment, **more: Any) -> Any:
        if (message.body == b"poison" or "poison" in message.labels) and faults and moment.lease is not None:
            raise RuntimeError(faults[0])
        return rule(message, delivery, passed, moment, **more)

    monkeypatch.setattr(lanes, "admit", broken)
    return faults


def bodies(ringed: InProcess) -> list[bytes]:
    return [one.body for one in ringed.sent]


async def left(ringed: InProcess, kind: type[Any]) -> list[Any]:
    return await ringed.broker.desk.read(lambda tx: tx.find(kind, Query()))


async def line(ringed: InProcess, how: str, *order: bytes) -> list[str]:
    """Let messages stand in a line, where it moves one in flight and two behind it."""

    async def one(body: bytes) -> str:
        return await (ringed.publish(URL, body, **KEY) if how == "key" else ringed.enqueue("q", URL, body))

    ids = [await one(body) for body in order or (b"first", b"poison", b"last")]
    await ringed.settle()
    return ids


async def test_an_outcome_that_can_in_no_way_be_taken_in_puts_its_message_off(
    ringed: InProcess, no_outcome: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    poison = await ringed.publish(URL, b"poison", **KEY)
    other = await ringed.publish(URL, b"other", **KEY)
    await ringed.settle()
    (delivery,) = await left(ringed, Delivery)
    assert (delivery.lease, delivery.wake_at, delivery.retried) == (None, ringed.at + put_off.PUT_OFF_MS, 0)
    assert (await ringed.events(poison), (await ringed.events(other))[-1]) == (
        ["CREATED", "ACTIVE", "ERROR"],
        "DELIVERED",
    )
    assert "it is put off" in caplog.text
    attempts = (await ringed.call("GET", f"/v2/messages/{poison}/attempts")).json["attempts"]
    assert [(one["state"], one["error"]) for one in attempts] == [("ERROR", "internal error of the broker")]
    no_outcome.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert (await ringed.events(poison))[-1] == "DELIVERED"
    assert [ringed.header(number, "Upstash-Retried") for number in (0, 2)] == ["0", "0"]


async def test_it_is_attempted_less_and_less_often(ringed: InProcess, no_outcome: Faults) -> None:
    times = []
    ringed.respond = lambda _: (times.append(ringed.at), Outcome(200))[1]
    begun = ringed.at
    await ringed.publish(URL, b"poison")
    await ringed.turn(5 * HOUR)
    assert [(at - begun) // MINUTE for at in times] == [0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244]


async def test_one_that_is_to_be_canceled_is(ringed: InProcess, no_outcome: Faults) -> None:
    ringed.held = asyncio.Event()
    poison = await ringed.publish(URL, b"poison", **KEY)
    await ringed.settle()
    assert (await ringed.call("DELETE", f"/v2/messages/{poison}")).status == 202
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert (await ringed.events(poison))[-1] == "CANCELED"
    assert await left(ringed, Delivery) == []


@pytest.mark.parametrize("how", ["key", "queue"])
async def test_who_cannot_pass_holds_up_neither_who_was_before_nor_who_comes_after(
    ringed: InProcess, no_passing: Faults, how: str
) -> None:
    ringed.held = asyncio.Event()
    first, poison, last = await line(ringed, how)
    no_passing.append("a bug")
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    await ringed.turn(1000)
    assert bodies(ringed) == [b"first", b"last"]
    assert [(await ringed.events(one))[-1] for one in (first, poison, last)] == ["DELIVERED", "CREATED", "DELIVERED"]
    await ringed.turn(2 * MINUTE)  # is tried in vain
    no_passing.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert (await ringed.events(poison))[-1] == "DELIVERED"
    assert [(lane.active, lane.waiting) for lane in await left(ringed, Lane)] == [(0, 0)]


@pytest.mark.parametrize("how", ["key", "queue"])
async def test_a_lane_is_opened_whoever_stands_in_its_line(ringed: InProcess, no_passing: Faults, how: str) -> None:
    lane = "/v2/flowControl/k" if how == "key" else "/v2/queues/q"
    if how == "queue":
        await ringed.call("POST", "/v2/queues", {"queueName": "q", "parallelism": 1})
    assert (await ringed.call("POST", f"{lane}/pause")).status == 200
    await line(ringed, how, b"poison", b"last")
    no_passing.append("a bug")
    assert (await ringed.call("POST", f"{lane}/resume")).status == 200
    await ringed.settle()
    await ringed.turn(1000)
    assert bodies(ringed) == [b"last"]


async def test_who_is_in_flight_is_canceled_whoever_is_next(ringed: InProcess, no_passing: Faults) -> None:
    ringed.respond = lambda _: Outcome(500)
    first, _, last = await line(ringed, "queue")
    no_passing.append("a bug")
    assert (await ringed.call("DELETE", f"/v2/messages/{first}")).status == 202
    ringed.respond = lambda _: Outcome(200)
    await ringed.turn(2000)
    assert [(await ringed.events(one))[-1] for one in (first, last)] == ["CANCELED", "DELIVERED"]


async def test_a_broker_starts_whoever_stands_in_a_line(tmp_path: Path, no_passing: Faults) -> None:
    path = tmp_path / "ringback.db"
    async with inprocess(SqliteStore(path)) as before:
        before.held = asyncio.Event()
        await line(before, "key")
        before.broker.dispatcher.abandon()
        before.held = None
    no_passing.append("a bug")
    async with inprocess(SqliteStore(path)) as after:
        await after.turn(2000)
        assert bodies(after) == [b"first", b"last"]


async def test_a_place_in_line_without_its_message_is_given_up(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    await line(ringed, "key")
    (lost,) = [one for one in await left(ringed, Message) if one.body == b"poison"]
    await ringed.broker.desk.write(lambda tx, _: tx.apply(Changes(drop=[lost])))
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert bodies(ringed) == [b"first", b"last"]
    assert await left(ringed, Delivery) == []


async def dead(ringed: InProcess, *of: bytes) -> None:
    """Let messages fail for good."""
    ringed.respond = lambda _: Outcome(500)
    for body in of:
        await ringed.publish(URL, body, upstash_retries="0")
    await ringed.settle()
    ringed.respond = lambda _: Outcome(200)
    ringed.sent.clear()


async def test_dead_letters_are_sent_again_whichever_of_them_cannot_be_begun(
    ringed: InProcess, no_beginning: Faults
) -> None:
    await dead(ringed, b"poison", b"other")
    no_beginning.append("a bug")
    answer = await ringed.call("POST", "/v2/dlq/retry")
    assert (answer.status, len(answer.json["responses"])) == (201, 2)
    await ringed.settle()
    await ringed.turn(1000)
    assert bodies(ringed) == [b"other"]
    no_beginning.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert bodies(ringed) == [b"other", b"poison"]
    assert [one["call"] for one in (await ringed.call("GET", "/v2/audit")).json["entries"]] == ["POST /v2/dlq/retry"]


@pytest.mark.parametrize("which", ["letter", "message", "schedule"])
async def test_what_is_asked_for_once_more_is_taken_in_and_begins_when_it_can(
    ringed: InProcess, no_beginning: Faults, which: str
) -> None:
    await dead(ringed, b"poison")
    (letter,) = (await ringed.call("GET", "/v2/dlq")).json["messages"]
    made = await ringed.call("POST", f"/v2/schedules/{URL}", b"poison", upstash_cron="0 0 1 1 *")
    no_beginning.append("a bug")
    target = {
        "letter": f"/v2/dlq/retry/{letter['dlqId']}",
        "message": f"/v2/messages/{letter['messageId']}/again",
        "schedule": f"/v2/schedules/{made.json['scheduleId']}/run",
    }[which]
    assert (await ringed.call("POST", target)).status in (200, 201)
    await ringed.turn(1000)
    assert bodies(ringed) == []
    no_beginning.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert bodies(ringed) == [b"poison"]


def run_of(run_id: str, is_: str) -> dict[str, Any]:
    """Return the item of a batch that starts a run, all of whose deliveries say what they are."""
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Url": URL}
    more = {
        "Upstash-Forward-X-Is": is_,
        "Upstash-Label": is_,
        "Upstash-Retries": "0",
        "Upstash-Workflow-Sdk-Version": "1",
    }
    return {"destination": URL, "headers": headers | more, "body": "x"}


def delivered(ringed: InProcess) -> list[str]:
    return sorted(dict(one.headers)["X-Is"] for one in ringed.sent)


@pytest.mark.parametrize("how", ["resume", "restart"])
async def test_failed_runs_go_on_whichever_of_them_cannot_be_begun(
    ringed: InProcess, no_beginning: Faults, how: str
) -> None:
    ringed.respond = lambda _: Outcome(500)
    await ringed.call("POST", "/v2/batch", [run_of("wfr_1", "poison"), run_of("wfr_2", "other")])
    await ringed.settle()
    ringed.sent.clear()
    ringed.respond = lambda _: Outcome(200, [("Upstash-Workflow-Sdk-Version", "1")])
    no_beginning.append("a bug")
    answer = await ringed.call("POST", f"/v2/workflows/dlq/{how}?workflowUrl={URL}")
    assert (answer.status, len(answer.json["workflowRuns"])) == (200, 2), answer
    await ringed.turn(1000)
    assert delivered(ringed) == ["other"]
    no_beginning.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert delivered(ringed) == ["other", "poison"]


async def test_an_event_wakes_all_that_wait_for_it_whichever_of_them_cannot_be_begun(
    ringed: InProcess, no_beginning: Faults
) -> None:
    ringed.respond = lambda _: Outcome(200, [("Upstash-Workflow-Sdk-Version", "1")])
    await ringed.call("POST", "/v2/batch", [run_of("wfr_1", "poison"), run_of("wfr_2", "other")])
    await ringed.settle()
    for run_id, is_ in (("wfr_1", "poison"), ("wfr_2", "other")):
        step = {"stepId": 1, "stepName": "w", "stepType": "Wait", "concurrent": 1}
        of_run = {"Upstash-Workflow-RunId": run_id, "Upstash-Forward-X-Is": is_}
        await ringed.call("POST", "/v2/wait/event", {"url": URL, "step": step, "timeoutHeaders": of_run})
    ringed.sent.clear()
    no_beginning.append("a bug")
    answer = await ringed.call("POST", "/v2/notify/event", b"data")
    assert (answer.status, len(answer.json)) == (201, 2)
    await ringed.turn(1000)
    assert delivered(ringed) == ["other"]
    no_beginning.clear()
    await ringed.turn(put_off.PUT_OFF_MS)
    assert delivered(ringed) == ["other", "poison"]
