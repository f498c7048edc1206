"""Faults to be planted in what the broker does: how it sends, settles, and lives among others."""

from collections.abc import Callable
from dataclasses import replace as replace_outbound
from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker import app
from ringback.broker.changes import Changes, Handed
from ringback.broker.engine import dispatcher, membership, unsettled
from ringback.broker.ids import Ids
from ringback.broker.operations import nodes
from ringback.broker.operations import settle as settling
from ringback.broker.records import Delivery
from ringback.broker.stores.contract import Query, Where
from ringback.wire.http import Outbound, Outcome

Patch = pytest.MonkeyPatch


def a_lost_lease_that_still_settles(patch: Patch) -> None:
    """An answer counts although another broker has taken the message over."""
    settle = unsettled.settle

    def careless(tx: Any, message: Any, lease: int, retried: int, *rest: Any) -> bool:
        delivery = tx.get(Delivery, message.seq)
        if delivery is not None:
            tx.apply(Changes(put=[replace(delivery, lease=lease, retried=retried, wake_at=None, lane=None)]))
        return settle(tx, message, lease, retried, *rest)

    patch.setattr(unsettled, "settle", careless)


def a_callback_outside_the_transaction(patch: Patch) -> None:
    """What follows from a failure is written in a transaction of its own, later."""
    pending: list[Any] = []
    accept, settle = settling.accept, dispatcher.Dispatcher._settle
    patch.setattr(settling, "accept", lambda tx, message, moment, _: pending.append(message))

    async def in_two(self: Any, *of: Any) -> None:
        await settle(self, *of)
        while pending:
            message = pending.pop()
            await self._desk.write(lambda tx, moment, message=message: accept(tx, message, moment))

    patch.setattr(dispatcher.Dispatcher, "_settle", in_two)


def a_cancel_that_is_forgotten_with_its_broker(patch: Patch) -> None:
    """What was to be canceled is attempted once more when its broker dies."""

    def forgotten(tx: Any, message: Any, delivery: Any, moment: Any) -> None:
        tx.apply(Changes(put=[replace(delivery, lease=None, wake_at=moment.now)]))
        nodes.release(tx, message, delivery, moment, ended=False)

    patch.setattr(nodes, "end_canceled", forgotten)


def a_request_that_is_sent_twice(patch: Patch) -> None:
    """What failed is sent once more under the same lease."""
    attempt = dispatcher.Dispatcher._attempt

    async def twice(self: Any, handed: Any) -> None:
        await self._sender.send(self._request(handed))
        await attempt(self, handed)

    patch.setattr(dispatcher.Dispatcher, "_attempt", twice)


def a_host_that_is_overrun(patch: Patch) -> None:
    """More than may be are sent to one host."""
    place = dispatcher.Dispatcher._place

    def overrun(self: Any, handed: Any) -> None:
        self._per_host += 1
        place(self, handed)
        self._per_host -= 1

    patch.setattr(dispatcher.Dispatcher, "_place", overrun)


def a_broker_that_takes_too_much(patch: Patch) -> None:
    """What a transaction has leased beyond the room there is begins at once."""
    submit = dispatcher.Dispatcher.submit

    def at_once(self: Any, handed: Any) -> None:
        limit, self._limit = self._limit, 1_000_000
        submit(self, handed)
        self._limit = limit

    patch.setattr(dispatcher.Dispatcher, "submit", at_once)


def a_fence_that_is_open(patch: Patch) -> None:
    """A broker that is cut off goes on with what others take over."""
    patch.setattr(dispatcher.Dispatcher, "abandon", lambda _: None)


def a_drain_without_a_sign_of_life(patch: Patch) -> None:
    """A broker that stops is taken for dead while it finishes what it has begun."""
    close = app.Broker.close

    async def silent(self: Any, *grace: float) -> None:
        self._loops += self._signs_of_life
        await close(self, *grace)

    patch.setattr(app.Broker, "close", silent)


def a_patience_that_is_too_short(patch: Patch) -> None:
    """A broker that is well is taken for dead."""
    init = membership.Membership.__init__

    def hasty(self: Any, *of: Any) -> None:
        init(self, *of)
        self._timeout /= 20

    patch.setattr(membership.Membership, "__init__", hasty)


def an_orphan_that_is_none(patch: Patch) -> None:
    """What brokers have in flight that are alive is taken back."""
    patch.setattr(nodes, "_orphans", lambda tx, most: Query((Where("lease", "not null"),), limit=most))


def a_lease_that_is_thought_lost(patch: Patch) -> None:
    """A broker gives back what it attempts."""
    patch.setattr(dispatcher.Dispatcher, "holds", lambda *_: False)


def a_wait_that_outlives_its_lease(patch: Patch) -> None:
    """What waits for a host is sent although the broker has stepped back meanwhile."""
    patch.setattr(dispatcher.Dispatcher, "_let_go_of_waiting", lambda _: None)


def a_body_that_is_cut(patch: Patch) -> None:
    _outbound(patch, lambda sent: replace_outbound(sent, body=sent.body[:-1]))


def a_number_of_retries_that_is_late(patch: Patch) -> None:
    """The endpoint is told of one retry less than there were."""

    def late(sent: Outbound) -> Outbound:
        lines = [
            (name, str(max(0, int(value) - 1))) if name == "Upstash-Retried" else (name, value)
            for name, value in sent.headers
        ]
        return replace_outbound(sent, headers=lines)

    _outbound(patch, late)


def _outbound(patch: Patch, change: Callable[[Outbound], Outbound]) -> None:
    make = app.outbound
    patch.setattr(app, "outbound", lambda *of: change(make(*of)))


def numbers_that_are_far_apart(patch: Patch) -> None:
    """One broker's numbers lie in the future, so its messages are after those that come later."""
    new = Ids.new
    patch.setattr(Ids, "new", lambda self: new(self) + ((self._node >> 15) % 2) * (20_000 << 21))


def an_end_without_an_attempt(patch: Patch) -> None:
    """What was never sent counts as delivered."""

    async def pretend(self: Any, handed: Any) -> None:
        await self._settle(handed, dispatcher._begun(handed.message, self._desk), Outcome(200))

    patch.setattr(dispatcher.Dispatcher, "_attempt", pretend)


def a_turn_that_breaks_off(patch: Patch) -> None:
    """The broker has a fault of its own that it survives."""
    patch.setattr("ringback.broker.engine.dispatcher.facets_of", lambda message: 1 // (len(message.body) % 7))


def an_attempt_that_is_let_go_of_too_early(patch: Patch) -> None:
    """Of two leases that follow on each other at once, the end of the first counts for both."""

    def let_go(self: dispatcher.Dispatcher, handed: Handed) -> None:
        self._bytes -= handed.size()
        self._held.pop(handed.message.seq, None)

    patch.setattr(dispatcher.Dispatcher, "_let_go", let_go)
    patch.setattr("ringback.broker.rules.settle.retry_wait", lambda *_: 0)  # so that they do
