"""A broker that is told to stop finishes what is in flight and begins nothing new."""

import asyncio

from ringback.broker.records import Delivery
from ringback.broker.stores.contract import Query
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
