"""A broker that is told to stop finishes what is in flight and begins nothing new."""

import asyncio

from ringback.broker.engine.loop import Loop
from ringback.broker.operations import nodes
from ringback.broker.records import Delivery
from ringback.broker.stores.contract import Query
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.rows import TABLES
from support.inprocess import InProcess

URL = "https://api.example.com/in"


async def test_what_an_outcome_lets_in_while_the_broker_stops_is_left_for_others(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    for _ in range(2):
        await ringed.publish(URL, upstash_flow_control_key="k", upstash_flow_control_value="parallelism=1")
    await ringed.settle()
    assert len(ringed.sent) == 1
    draining = asyncio.ensure_future(ringed.broker.dispatcher.drain(10))
    await asyncio.sleep(0)
    ringed.held.set()
    await draining
    assert len(ringed.sent) == 1
    left = await ringed.store.read(lambda tx: tx.find(Delivery, Query()))
    assert [one.lease for one in left] == [None]


async def test_a_broker_that_finishes_what_is_in_flight_tells_that_it_lives() -> None:
    """Or others take it for dead, and attempt at the same time what it has not finished."""
    ringed = InProcess(MemoryStore({kind: {} for kind in TABLES}), node_timeout_ms=1000)
    await ringed.broker.open()
    ringed.broker.run()
    ringed.held = asyncio.Event()
    await ringed.publish(URL)
    closing = asyncio.ensure_future(ringed.broker.close(30))
    while not ringed.broker.dispatcher._draining:
        await asyncio.sleep(0)
    before = (await ringed.store.read(nodes.nodes))[0].beats
    async with asyncio.timeout(20):
        while (await ringed.store.read(nodes.nodes))[0].beats < before + 2:
            await asyncio.sleep(0.01)
    ringed.held.set()
    await closing
    assert len(ringed.sent) == 1
    assert await ringed.store.read(nodes.nodes) == []


async def test_a_clock_that_is_set_back_makes_no_loop_sleep_longer() -> None:
    at, turns = 10_000_000, asyncio.Event()

    async def turn() -> int:
        nonlocal at
        if at < 10_000_000:
            turns.set()
        at = 0  # two hours back and more
        return 10_000_000

    running = asyncio.ensure_future(Loop("test", turn, lambda: at, longest=20).run())
    async with asyncio.timeout(20):
        await turns.wait()
    running.cancel()
