"""Queues and flow control: order, slots, rates, exact at every instant."""

import asyncio
import json
from typing import Any

import pytest

from ringback.broker.records import Delivery, Lane
from ringback.broker.stores.contract import Query, Where
from ringback.wire.http import Outbound, Outcome
from support.inprocess import InProcess, answering, until

URL = "https://api.example.com/work"


def bodies(ringed: InProcess) -> list[bytes]:
    return [sent.body for sent in ringed.sent]


async def flow(ringed: InProcess, key: str = "k") -> dict[str, Any]:
    return dict((await ringed.call("GET", f"/v2/flowControl/{key}")).json)


async def test_a_queue_is_first_in_first_out_through_retries(ringed: InProcess) -> None:
    """The head blocks while it waits for its retry (protocol 4.6)."""
    failures = {b"1": 2}

    def respond(sent: Outbound) -> Outcome:
        failures[sent.body] = failures.get(sent.body, 0) - 1
        return Outcome(500 if failures[sent.body] >= 0 else 200)

    ringed.respond = respond
    for number in (b"0", b"1", b"2"):
        await ringed.enqueue("q", URL, number, upstash_retry_delay="1000")
    await ringed.settle()
    assert bodies(ringed) == [b"0", b"1"]
    assert (await ringed.call("GET", "/v2/queues/q")).json["lag"] == 2
    await ringed.turn(1000)
    assert bodies(ringed) == [b"0", b"1", b"1"]
    await ringed.turn(1000)
    assert bodies(ringed) == [b"0", b"1", b"1", b"1", b"2"]


async def test_a_queue_waits_for_the_callbacks_of_its_head(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    await ringed.enqueue("q", URL, b"1", upstash_callback="https://cb.example/slow")
    await ringed.enqueue("q", URL, b"2")
    await ringed.settle()
    assert len(ringed.sent) == 1
    held, ringed.held = ringed.held, asyncio.Event()
    held.set()
    await asyncio.sleep(0)
    await ringed.settle()
    await ringed.settle()
    assert [sent.url for sent in ringed.sent] == [URL, "https://cb.example/slow"]
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert bodies(ringed)[-1] == b"2"


async def test_parallelism_of_a_queue_is_never_exceeded_and_filled_in_order(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "q", "parallelism": 3})
    ringed.held = asyncio.Event()
    for number in range(8):
        await ringed.enqueue("q", URL, str(number).encode())
    await ringed.settle()
    assert bodies(ringed) == [b"0", b"1", b"2"]
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert bodies(ringed) == [str(number).encode() for number in range(8)]
    assert ringed.most_in_flight == 3


async def test_a_delayed_message_does_not_block_those_behind_it(ringed: InProcess) -> None:
    await ringed.enqueue("q", URL, b"late", upstash_delay="10s")
    await ringed.enqueue("q", URL, b"now")
    await ringed.settle()
    assert bodies(ringed) == [b"now"]
    await ringed.turn(10_000)
    assert bodies(ringed) == [b"now", b"late"]


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "q", "paused": True})
    await ringed.enqueue("q", URL)
    await ringed.turn(60_000)
    assert ringed.sent == []
    await ringed.call("POST", "/v2/queues/q/resume")
    await ringed.settle()
    assert len(ringed.sent) == 1


async def test_a_canceled_message_lets_the_next_one_pass(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    first = await ringed.enqueue("q", URL, b"1", upstash_retry_delay="60000")
    second = await ringed.enqueue("q", URL, b"2")
    await ringed.enqueue("q", URL, b"3")
    await ringed.settle()
    await ringed.call("DELETE", f"/v2/messages/{second}")
    await ringed.call("DELETE", f"/v2/messages/{first}")
    await ringed.settle()
    assert bodies(ringed) == [b"1", b"3"]


async def test_deleting_a_queue_drops_what_waits(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "q", "paused": True})
    message = await ringed.enqueue("q", URL)
    assert (await ringed.call("DELETE", "/v2/queues/q")).status == 200
    assert await ringed.events(message) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
    assert (await ringed.call("GET", "/v2/queues")).json == []


@pytest.mark.parametrize("callback", [{}, {"upstash_callback": "https://cb.example/told"}])
async def test_what_a_deleted_queue_had_in_flight_frees_nothing_of_the_next_queue_of_that_name(
    ringed: InProcess, callback: dict[str, str]
) -> None:
    ringed.held = first = asyncio.Event()
    await ringed.enqueue("q", URL, b"old", **callback)
    await ringed.settle()
    assert (await ringed.call("DELETE", "/v2/queues/q")).status == 200
    if callback:  # the callback is made while there is no queue, and ends when there is one again
        ringed.held = second = asyncio.Event()
        first.set()
        await until(lambda: len(ringed.sent) >= 2)
        first = second
    ringed.held = last = asyncio.Event()
    for body in (b"one", b"two"):
        await ringed.enqueue("q", URL, body)
    await ringed.settle()
    first.set()
    await until(lambda: len(ringed.broker.dispatcher._tasks) <= 1)
    assert [body for body in bodies(ringed) if body in (b"one", b"two")] == [b"one"]
    ringed.held = None
    last.set()
    await ringed.settle()
    assert bodies(ringed)[-1] == b"two"
    lanes = await ringed.store.read(lambda tx: tx.find(Lane, Query()))
    assert [(lane.active, lane.waiting) for lane in lanes] == [(0, 0)]


async def test_a_callback_that_outlives_its_queue_frees_nothing_of_the_next_queue_of_that_name(
    ringed: InProcess,
) -> None:
    """It was made while its queue was there, and ends when there is another one."""
    told = asyncio.Event()
    ringed.respond = answering(200)
    await ringed.enqueue("q", URL, b"old", upstash_callback="https://cb.example/told", upstash_retries="0")
    while not ringed.sent:
        await asyncio.sleep(0)
    ringed.held = told
    await ringed.settle()
    assert len(ringed.sent) == 2
    ringed.at += 1000
    assert (await ringed.call("DELETE", "/v2/queues/q")).status == 200
    ringed.held = last = asyncio.Event()
    for body in (b"one", b"two"):
        await ringed.enqueue("q", URL, body)
    await ringed.settle()
    told.set()
    await until(lambda: len(ringed.broker.dispatcher._tasks) <= 1)
    assert [body for body in bodies(ringed) if body in (b"one", b"two")] == [b"one"]
    lanes = await ringed.store.read(lambda tx: tx.find(Lane, Query()))
    assert [(lane.active, lane.waiting) for lane in lanes] == [(1, 1)]
    ringed.held = None
    last.set()
    await ringed.settle()
    assert bodies(ringed)[-1] == b"two"


async def test_the_callback_of_what_a_deleted_queue_had_in_flight_holds_nothing_of_the_next_queue_of_that_name(
    ringed: InProcess,
) -> None:
    ringed.held = first = asyncio.Event()
    await ringed.enqueue("q", URL, b"old", upstash_callback="https://cb.example/told")
    await ringed.settle()
    await ringed.call("DELETE", "/v2/queues/q")
    await ringed.call("POST", "/v2/queues", {"queueName": "q"})
    ringed.held = asyncio.Event()
    first.set()
    await until(lambda: len(ringed.sent) >= 2)
    await ringed.enqueue("q", URL, b"one")
    await ringed.settle()
    assert bodies(ringed)[-1] == b"one"
    ringed.held.set()
    ringed.held = None
    await ringed.settle()


async def test_the_worked_example_of_rate_and_parallelism(ringed: InProcess) -> None:
    """Protocol 4.7: ten start in minute 1, ten in minute 2, then none until one finishes."""
    ringed.held = asyncio.Event()
    for _ in range(40):
        await ringed.publish(
            URL, upstash_flow_control_key="k", upstash_flow_control_value="rate=10, period=1m, parallelism=20"
        )
    await ringed.settle()
    assert len(ringed.sent) == 10
    await ringed.turn(59_999)
    assert len(ringed.sent) == 10
    await ringed.turn(1)
    assert len(ringed.sent) == 20
    await ringed.turn(180_000)
    assert len(ringed.sent) == 20
    known = await flow(ringed)
    assert (known["waitListSize"], known["parallelismCount"], known["parallelismMax"], known["rateMax"]) == (
        20,
        20,
        20,
        10,
    )
    held, ringed.held = ringed.held, None
    held.set()
    await ringed.settle()
    assert len(ringed.sent) == 30


async def test_a_retry_takes_a_slot_and_a_share_of_the_rate(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    for _ in range(2):
        await ringed.publish(
            URL,
            upstash_flow_control_key="k",
            upstash_flow_control_value="rate=2, period=10s",
            upstash_retries="1",
            upstash_retry_delay="0",
        )
    await ringed.settle()
    assert len(ringed.sent) == 2
    await ringed.turn(10_000)
    assert len(ringed.sent) == 4
    assert (await flow(ringed))["waitListSize"] == 0


async def test_the_last_message_configures_the_key_unless_it_is_pinned(ringed: InProcess) -> None:
    async def publish(value: str) -> None:
        await ringed.publish(URL, upstash_flow_control_key="k", upstash_flow_control_value=value)

    await publish("parallelism=2, rate=5, period=2s")
    await publish("rate=7")
    known = await flow(ringed)
    assert (known["parallelismMax"], known["rateMax"], known["ratePeriod"]) == (0, 7, 1)
    await ringed.call("POST", "/v2/flowControl/k/pin?parallelism=4")
    await publish("parallelism=9, rate=8")
    known = await flow(ringed)
    assert (known["parallelismMax"], known["rateMax"], known["isPinnedParallelism"]) == (4, 8, True)
    await ringed.call("POST", "/v2/flowControl/k/unpin?parallelism=true")
    assert (await flow(ringed))["parallelismMax"] == 4
    await publish("parallelism=9")
    assert (await flow(ringed))["parallelismMax"] == 9


async def test_a_paused_key_starts_nothing_and_reset_lets_waiting_ones_go(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/flowControl/k/pause")
    for _ in range(3):
        await ringed.publish(URL, upstash_flow_control_key="k", upstash_flow_control_value="rate=1, period=1h")
    await ringed.settle()
    assert ringed.sent == []
    await ringed.call("POST", "/v2/flowControl/k/resume")
    await ringed.settle()
    assert len(ringed.sent) == 1
    await ringed.call("POST", "/v2/flowControl/k/resetRate")
    await ringed.settle()
    assert len(ringed.sent) == 2


async def test_a_message_in_a_queue_and_under_a_key_needs_both(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/flowControl/k/pause")
    await ringed.enqueue("q", URL, b"1", upstash_flow_control_key="k", upstash_flow_control_value="parallelism=5")
    await ringed.enqueue("q", URL, b"2")
    await ringed.settle()
    assert ringed.sent == []
    await ringed.call("POST", "/v2/flowControl/k/resume")
    await ringed.settle()
    assert bodies(ringed) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"upstash_flow_control_key": "k"}, "Upstash-Flow-Control-Value"),
        ({"upstash_flow_control_value": "rate=1"}, "Upstash-Flow-Control-Key"),
        ({"upstash_flow_control_key": "k", "upstash_flow_control_value": "rate=0"}, "rate"),
        ({"upstash_flow_control_key": "k", "upstash_flow_control_value": "speed=1"}, "speed"),
        ({"upstash_flow_control_key": "k", "upstash_flow_control_value": "rate=1,period=8d"}, "period"),
        ({"upstash_flow_control_key": "k", "upstash_flow_control_value": "period=1s"}, "parallelism or rate"),
    ],
)
async def test_wrong_flow_control_is_refused(ringed: InProcess, headers: dict[str, str], text: str) -> None:
    answer = await ringed.call("POST", f"/v2/publish/{URL}", **headers)
    assert answer.status == 400
    assert text in answer.json["error"]


async def test_what_waits_for_room_is_not_held_in_memory(ringed: InProcess) -> None:
    """A node without room stores what it accepts; it is started, in order, as soon as there is room."""
    ringed.held = asyncio.Event()
    ringed.broker.dispatcher._limit = 4
    for number in range(20):
        await ringed.publish(URL, json.dumps(number).encode())
    await ringed.settle()
    assert ringed.most_in_flight == 4
    waiting = await ringed.store.read(lambda tx: tx.count(Delivery, Where("wake_at", "not null")))
    assert waiting == 16
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert sorted(json.loads(body) for body in bodies(ringed)) == list(range(20))


async def test_counts_are_zero_when_everything_has_ended(ringed: InProcess) -> None:
    ringed.respond = answering(500, 200, 500, 500, 200)
    for number in range(6):
        headers = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=2"}
        headers |= {"upstash_retries": "2", "upstash_retry_delay": "10", "upstash_callback": "https://cb.example"}
        await ringed.enqueue(f"q{number % 2}", URL, **headers)
    await ringed.turn(1_000_000)
    lanes = await ringed.store.read(lambda tx: tx.find(Lane, Query()))
    assert {(lane.active, lane.waiting) for lane in lanes} == {(0, 0)}
