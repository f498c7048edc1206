"""One broker of the simulation: its clock, its way to the endpoints, and whether it moves at all."""

import asyncio
from typing import TYPE_CHECKING

from ringback.wire.http import Outbound, Outcome
from support.inprocess import START, InProcess

if TYPE_CHECKING:
    from simulation.disk import NodeStore
    from simulation.postgres.node_store import SharedStore
    from simulation.world import World


class Node(InProcess):
    """One broker; its clock is the loop's, and wrong by some seconds.

    Attributes:
        skew: by how many milliseconds its clock is off.
        moves: whether its process does not stand still.
    """

    skew = 0
    world: "World"
    moves: asyncio.Event
    store: "NodeStore | SharedStore"

    @property
    def at(self) -> int:
        return START + int(asyncio.get_event_loop().time() * 1000) + self.skew

    @at.setter
    def at(self, _: int) -> None:
        """The dataclass wants to set it; the loop's time is the time."""

    @property
    def number(self) -> int:
        """Return the number its leases carry."""
        return self.broker.desk.node.number

    async def send(self, outbound: Outbound) -> Outcome:
        await self.moves.wait()
        if self.store.gone:
            raise asyncio.CancelledError  # nobody is there who could send anything
        try:
            async with asyncio.timeout(outbound.timeout_ms / 1000):
                outcome = await self.world.endpoints.receive(self, outbound)
        except TimeoutError:
            self.world.seen["an attempt took too long"] += 1
            outcome = Outcome(0, error="no complete response in time", timed_out=True)
        except asyncio.CancelledError:
            self.world.seen["an attempt was broken off, others may take it over"] += self.broker.desk.lease() is None
            raise
        finally:
            await self.moves.wait()
        delivery = self.world.account.delivery(int(dict(outbound.headers)["Upstash-Message-Id"][4:], 16))
        if delivery is None or delivery.lease != self.number:
            self.world.seen["an answer came when the lease was lost"] += 1
        return outcome
