"""What is in flight at once is bounded in bytes too: large bodies would take the memory of the broker."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from ringback.broker.operations.loading import load_fitting
from ringback.broker.records import Delivery
from ringback.broker.stores.contract import Need
from support.inprocess import InProcess, inprocess

URL = "https://endpoint.test/a"
BODY = b"x" * 1000
ROOM = 10_000


async def released(ringed: InProcess) -> None:
    """Let the endpoint answer, and all that follows happen."""
    assert ringed.held is not None
    ringed.held.set()
    ringed.held = None
    await ringed.settle()


async def test_what_is_published_beyond_the_room_waits_until_there_is_some() -> None:
    async with inprocess(in_flight_bytes=ROOM) as ringed:
        ringed.held = asyncio.Event()
        for _ in range(25):
            await ringed.publish(URL, BODY)
        await ringed.settle()
        assert ringed.in_flight == 10
        await released(ringed)
        assert len(ringed.sent) == 25


async def test_what_is_due_together_starts_as_far_as_it_fits() -> None:
    async with inprocess(in_flight_bytes=ROOM) as ringed:
        ringed.held = asyncio.Event()
        for _ in range(25):
            await ringed.publish(URL, BODY, upstash_delay="1m")
        await ringed.turn(60_000)
        assert ringed.in_flight == 10
        await released(ringed)
        assert (ringed.most_in_flight, len(ringed.sent)) == (10, 25)


@pytest.mark.parametrize("kind", ["flow", "queue"])
async def test_a_line_is_let_in_as_far_as_it_fits(kind: str) -> None:
    async with inprocess(in_flight_bytes=ROOM) as ringed:
        await ringed.call("POST", "/v2/queues", {"queueName": "k", "parallelism": 100})
        await ringed.call("POST", "/v2/queues/k/pause")
        await ringed.call("POST", "/v2/flowControl/k/pause")
        flow = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=100"}
        for _ in range(25):
            await (ringed.publish(URL, BODY, **flow) if kind == "flow" else ringed.enqueue("k", URL, BODY))
        await ringed.settle()
        ringed.held = asyncio.Event()
        for path in ("queues", "flowControl"):
            await ringed.call("POST", f"/v2/{path}/k/resume")
        await ringed.settle()
        assert ringed.in_flight == 10
        await released(ringed)
        assert (ringed.most_in_flight, len(ringed.sent)) == (10, 25)


async def test_a_body_larger_than_the_room_goes_alone() -> None:
    async with inprocess(in_flight_bytes=ROOM) as ringed:
        ringed.held = asyncio.Event()
        for _ in range(3):
            await ringed.publish(URL, BODY * 20, upstash_delay="1m")
        await ringed.turn(60_000)
        assert ringed.in_flight == 1
        await released(ringed)
        assert (ringed.most_in_flight, len(ringed.sent)) == (1, 3)


class Loading:
    """A transaction that knows how large bodies are, and notes how many are loaded at a time."""

    def __init__(self, size: int) -> None:
        self.loaded: list[int] = []
        self._size = size

    def load(self, needs: Iterable[Need]) -> None:
        self.loaded.append(len(list(needs)))

    def get(self, _: object, seq: int) -> Any:
        return None if seq == 0 else Body(b"x" * self._size)


class Body:
    """Of a message, its body."""

    def __init__(self, body: bytes) -> None:
        self.body = body


def due(count: int) -> Sequence[Delivery]:
    return [Delivery(seq, "t", 0) for seq in range(1, count + 1)]


def test_small_bodies_are_loaded_nearly_all_in_one_go_and_large_ones_a_few_at_a_time() -> None:
    small, large = Loading(300), Loading(1 << 20)
    assert len(load_fitting(small, due(256), 256 << 20)) == 256  # type: ignore[arg-type]
    assert small.loaded == [16, 128, 112]
    assert len(load_fitting(large, due(256), 3 << 20)) == 3  # type: ignore[arg-type]
    assert large.loaded == [1, 2]
    assert load_fitting(large, [], 1) == []  # type: ignore[arg-type]
    assert load_fitting(large, [Delivery(0, "t", 0)], 1) == [None]  # type: ignore[arg-type]
