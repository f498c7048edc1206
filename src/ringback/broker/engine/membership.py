"""A node among others: it tells that it lives, notices who does not, and steps back when it may be taken for dead itself."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from ringback.broker.engine.dispatcher import Dispatcher
from ringback.broker.engine.loop import LONGEST_SLEEP, Loop
from ringback.broker.operations import nodes
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.set_back import Sight, note_sight
from ringback.broker.records import Node
from ringback.broker.stores.contract import StoreUnavailable
from ringback.clock import Instant, elapsed

_log = logging.getLogger("ringback.nodes")

_AT_ONCE = 256


class Membership:
    """Two loops: `loop` tells and listens, `fence` breaks attempts off when nobody can have heard of this node in time.

    Who is dead is decided by what is seen, not by anybody's clock: a node whose beats have not moved for `timeout_ms`. A node
    itself counts from the moment before its last beat, and steps back after two thirds of that time.

    Args:
        desk: where decisions are made.
        dispatcher: attempts of this node.
        timeout_ms: after how long a silent node is taken for dead.
        recovered: called when something of others has been made due.
    """

    def __init__(self, desk: Desk, dispatcher: Dispatcher, timeout_ms: int, recovered: Callable[[], None]) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._timeout = timeout_ms / 1000
        self._recovered = recovered
        self._moved: dict[Node, float] = {}
        self._suspects: set[int] = set()
        every_ms = max(50, min(1000, timeout_ms // 10)) if desk.store.shared else LONGEST_SLEEP
        self.loop = Loop("membership", self.tick, desk.clock, every_ms)
        self.fence = Loop("fence", self.step_back, desk.clock, every_ms)

    async def join(self) -> None:
        """Take a place among the nodes."""
        begun = elapsed()
        await self._desk.join()
        self._sure(begun)

    async def leave(self) -> None:
        """Give the place back, and with it what could not be finished; who is alone leaves the time there."""
        with suppress(StoreUnavailable):
            if not self._desk.store.shared:
                seen = Sight(self._desk.clock(), self._desk.ids.new())
                await self._desk.write(lambda tx, _: note_sight(tx, self._desk.node, seen), apart=True)
                return
            await self._desk.write(lambda tx, _: nodes.leave(tx, self._desk.node), apart=True)
            if await self._take_back():
                self._desk.store.wake_others()

    async def tick(self) -> Instant | None:
        """Tell that this node lives, remove the silent, take back what they had in flight."""
        if not self._desk.store.shared:
            return None
        begun = elapsed()
        silent = [node for node, since in self._moved.items() if begun - since > self._timeout]
        me = self._desk.node
        present = await self._desk.write(lambda tx, _: nodes.beat(tx, me, silent), apart=True)
        if present is None:
            await self._begin_anew()
        else:
            self._sure(begun)
            self._note(present, elapsed())
            for gone in set(silent) - set(present):
                _log.warning("node %s (%s) is silent: its work is taken over", gone.slot, gone.name)
        if await self._take_back() + await self._take_back_unclear():
            self._recovered()
        return None

    async def step_back(self) -> Instant | None:
        """Break off all attempts once others may have taken this node for dead."""
        if not self._desk.store.shared:
            return None
        if self._desk.lease() is None and not self._dispatcher.is_idle():
            _log.warning("the database has not been reached for too long: what is in flight is broken off")
            self._dispatcher.abandon()
        return None

    def _sure(self, begun: float) -> None:
        if self._desk.store.shared:
            self._desk.sure_until = begun + self._timeout * 2 / 3

    def _note(self, present: Iterable[Node], now: float) -> None:
        """Remember since when each of the others has stood still."""
        others = (node for node in present if node.number != self._desk.node.number)
        self._moved = {node: self._moved.get(node, now) for node in others}

    async def _begin_anew(self) -> None:
        _log.warning("this node was taken for dead: it begins anew")
        self._dispatcher.abandon()
        self._suspects.clear()
        await self.join()

    async def _take_back(self) -> int:
        total = 0
        if await self._desk.read(nodes.has_orphans):
            while found := await self._desk.write_anyhow(
                lambda tx, moment: nodes.recover(tx, _AT_ONCE, moment), apart=True
            ):
                total += found
        return total

    async def _take_back_unclear(self) -> int:
        """What the store has leased to this node without its knowing: the answer to a commit was lost. Two looks make sure."""
        number = self._desk.node.number
        held = await self._desk.read(lambda tx: nodes.held_by(tx, number))
        unknown = {one.seq for one in held if not self._dispatcher.holds(one.seq)}
        lost = [one for one in held if one.seq in unknown & self._suspects]
        self._suspects = unknown - {one.seq for one in lost}
        if lost:
            await self._desk.write_anyhow(lambda tx, moment: nodes.give_back(tx, lost, moment), apart=True)
        return len(lost)
