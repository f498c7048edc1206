"""The desk where every decision is made: a job with the time, fresh ids and this node's room, in one transaction."""

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from ringback.broker.ids import Ids
from ringback.broker.operations import nodes
from ringback.broker.operations.run_lists import RunLists
from ringback.broker.records import Node
from ringback.broker.rules.holding import Holding
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Need, Store, Transaction
from ringback.clock import Clock, elapsed
from ringback.errors import RingbackError

T = TypeVar("T")

_log = logging.getLogger("ringback.desk")

_NOBODY = Node(0, 0)


class Desk:
    """Gives jobs their `Moment`.

    Args:
        store: where records live.
        ids: makes fresh numbers.
        clock: tells the time.
        room: how many bytes of bodies this node could take into flight now; none where it can start no attempt at all.
        holding: what it has in flight, for those who ask.

    Attributes:
        node: this process among the nodes.
        run_lists: lists this node has delivered lately.
        sure_until: until when nobody takes this node for dead, in seconds of `elapsed`.
    """

    def __init__(
        self, store: Store, ids: Ids, clock: Clock, room: Callable[[], int], holding: Callable[[], Holding] = Holding
    ) -> None:
        self.store = store
        self.ids = ids
        self.clock = clock
        self.node = _NOBODY
        self.run_lists = RunLists()
        self.sure_until = math.inf
        self._room = room
        self.holding = holding

    async def join(self) -> None:
        """Take a place among the nodes, with a number above all that were ever given."""
        before, alone = self.node.number or None, not self.store.shared
        self.node = await self.store.write(
            lambda tx: nodes.join(tx, self.ids, self.clock(), before, alone=alone), apart=True
        )

    def lease(self) -> int | None:
        """Return what a lease of this node says; None while others may take it for dead."""
        return self.node.number if self.sure_until == math.inf or elapsed() < self.sure_until else None

    def moment(self) -> Moment:
        """Return the circumstances of a decision made now."""
        room = self._room()
        return Moment(self.clock(), self.ids.new, self.lease() if room > 0 else None, self.run_lists.get, room)

    def write(
        self,
        job: Callable[[Transaction, Moment], T],
        needs: Sequence[Need] = (),
        *,
        apart: bool = False,
        begin: bool = True,
    ) -> Awaitable[T]:
        """Run a job that may write; see `Store.write`. Without `begin` it starts no message: the scheduler does afterwards."""
        if not begin:
            return self.store.write(lambda tx: job(tx, replace(self.moment(), lease=None)), needs, apart=apart)
        return self.store.write(lambda tx: job(tx, self.moment()), needs, apart=apart)

    async def write_anyhow(self, job: Callable[[Transaction, Moment], T], *, apart: bool = False) -> T:
        """Run a job that makes room for others, or begins some; where it fails through a fault of ours, so that none begins.

        One that cannot begin may be what is wrong, such as who stands next in line; the scheduler puts it off, and what made
        room for it, or what was asked for together with it, must not fail by it.
        """
        try:
            return await self.write(job, apart=apart)
        except RingbackError:
            raise
        except Exception:  # noqa: BLE001 - if it is the job's own, it is raised once more
            _log.exception("what was asked for cannot be done together with what begins by it: it is done by itself")
            return await self.write(job, apart=apart, begin=False)

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run a job that only reads; see `Store.read`."""
        return self.store.read(job)
