"""What endpoints see: every request as it comes, held against what is durable at that instant."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ringback.wire.http import Outbound
from simulation.account import Account
from simulation.verdict import hold

if TYPE_CHECKING:
    from simulation.node import Node

APART_S = 7.0
"""Seconds by which the numbers that two brokers make may be off, as their clocks are."""


@dataclass(eq=False)
class Sent:
    """A request an endpoint works on.

    Attributes:
        stood_still: its broker has stood still meanwhile, so that others may have taken the message over.
    """

    seq: int
    node: "Node"
    host: str
    flow: str | None
    stood_still: bool = False


@dataclass
class Enqueued:
    """When a publisher enqueued a message, and when it knew that it is taken in."""

    seq: int
    asked: float
    answered: float


@dataclass
class Witness:
    """Sees all requests.

    Attributes:
        account: what is durable.
        bodies: what the messages that were acknowledged say.
        enqueued: messages that were acknowledged, by queue.
        requests: how many there were, by message.
        open: those that are being worked on.
    """

    account: Account
    bodies: dict[int, bytes] = field(default_factory=dict)
    enqueued: dict[str, list[Enqueued]] = field(default_factory=dict)
    requests: Counter[int] = field(default_factory=Counter)
    open: list[Sent] = field(default_factory=list)
    _at_work: dict[str, set[int]] = field(default_factory=dict)

    def begin(self, node: "Node", outbound: Outbound) -> Sent:
        """A request has come."""
        headers = dict(outbound.headers)
        seq = int(headers["Upstash-Message-Id"].removeprefix("msg_"), 16)
        message = self.account.message(seq)
        flow = message.flow.key if message.flow else None
        sent = Sent(seq, node, urlsplit(outbound.url).netloc, flow)
        self.open.append(sent)
        self.requests[seq] += 1
        self._is_leased(sent, headers["Upstash-Retried"])
        hold(outbound.body == self.bodies.get(seq, outbound.body), f"{seq:x} says something else than was published")
        self._fits(sent)
        if message.queue:
            self._is_next(seq, message.queue)
        return sent

    def finish(self, sent: Sent) -> None:
        """A request is answered, or its connection is gone."""
        self.open.remove(sent)

    def _is_leased(self, sent: Sent, retried: str) -> None:
        name, account = f"{sent.seq:x}", self.account
        hold(sent.seq not in account.ended, f"{name} was delivered after its end was recorded")
        delivery = account.delivery(sent.seq)
        hold(delivery is not None and delivery.lease == sent.node.number, f"{name} was sent without a lease")
        hold(delivery is not None and str(delivery.retried) == retried, f"{name} was sent as retry {retried}")
        times, granted = self.requests[sent.seq], account.grants[sent.seq]
        hold(times <= granted, f"{name} was sent {times} times, leased {granted} times")
        most = account.message(sent.seq).retries + 1 + account.given_back[sent.seq]
        hold(times <= most, f"{name} was sent {times} times, at most {most}")

    def _fits(self, sent: Sent) -> None:
        """Limits as the endpoint counts them; what a broker that stood still may have lost to others counts for nobody."""
        counted = [one for one in self.open if not one.stood_still]
        twice = [one for one in counted if one.seq == sent.seq]
        hold(len(twice) == 1, f"{sent.seq:x} is attempted twice at once")
        if sent.flow is not None:
            most = self.account.message(sent.seq).flow.parallelism  # type: ignore[union-attr]
            together = sum(one.flow == sent.flow for one in counted)
            hold(
                most is None or together <= most,
                f"an endpoint sees {together} requests of {sent.flow} at once, at most {most}",
            )
        own = [one for one in counted if one.node is sent.node]
        hold(len(own) <= sent.node.room, f"a broker makes {len(own)} requests at once, at most {sent.node.room}")
        there = sum(one.host == sent.host for one in own)
        hold(there <= sent.node.per_host, f"{there} requests to one host at once, at most {sent.node.per_host}")

    def _is_next(self, seq: int, queue: str) -> None:
        """Those before it in its queue have ended, retries included, or are being attempted, as far as there is room.

        What a queue that was deleted had in flight is to be canceled, and belongs to no queue any more.
        """
        ended = self.account.ended
        lane = next((one for one in self.account.lanes() if one.kind == "queue" and one.name == queue), None)
        if lane is None or lane.deleting or self._is_let_go(seq):
            return
        at_work = {one for one in self._at_work.get(queue, set()) if one not in ended and not self._is_let_go(one)}
        is_new = seq not in at_work
        at_work.add(seq)
        self._at_work[queue] = at_work
        hold(
            len(at_work) <= (lane.parallelism or 0),
            f"an endpoint sees {len(at_work)} messages of {queue} that have not ended, at most {lane.parallelism}",
        )
        mine = next((one for one in self.enqueued.get(queue, []) if one.seq == seq), None)
        if mine is None or not is_new:
            return
        for other in self.enqueued[queue]:
            if other.answered + APART_S < mine.asked:
                standing = self.account.delivery(other.seq)
                passed = other.seq in ended or (standing is not None and (standing.queued or standing.cancel_requested))
                hold(passed, f"{seq:x} of {queue} came before {other.seq:x}, which was enqueued before")

    def _is_let_go(self, seq: int) -> bool:
        delivery = self.account.delivery(seq)
        return delivery is not None and delivery.cancel_requested and not delivery.queued
