"""Nodes: the broker processes on one store, who joins, who is heard of, who is gone, and what the gone ones had in flight."""

import os
import socket
from collections.abc import Iterable

from msgspec.structs import replace

from ringback import __version__
from ringback.broker.changes import Changes
from ringback.broker.ids import SLOTS, Ids, slot_of
from ringback.broker.operations.cancel import end_canceled
from ringback.broker.operations.due import newest_number
from ringback.broker.operations.lanes import release
from ringback.broker.operations.settle import settle_needs
from ringback.broker.records import Delivery, Message, Node
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, StoreUnavailable, Transaction, Where
from ringback.clock import Instant

_DOOR = -1
"""Nobody has this slot: who asks for it holds the door, so that nobody joins while leases are taken back."""


def join(tx: Transaction, ids: Ids, now: Instant, before: int | None, *, alone: bool) -> Node:
    """Take a slot that no other node has, and a number above all that were ever given.

    A slot is given again as late as possible: a node that was stopped and goes on may still make numbers with it.

    Args:
        tx: the transaction.
        ids: where numbers come from; it makes numbers of the new slot from now on.
        now: the time.
        before: number this process had before, if it was taken for dead.
        alone: no other process can hold the store, so whoever is still in it is gone.

    Raises:
        StoreUnavailable: all slots are taken.
    """
    tx.get(Node, _DOOR)
    present = nodes(tx)
    gone = [node for node in present if alone or node.number == before]
    tx.apply(Changes(drop=list(gone)))
    taken = {node.slot for node in present if node not in gone}
    newest = max([newest_number(tx), *(max(node.number, node.seen) for node in present)])
    free = [
        slot % SLOTS for slot in range(slot_of(newest) + 1, slot_of(newest) + 1 + SLOTS) if slot % SLOTS not in taken
    ]
    if not free:
        raise StoreUnavailable(f"{SLOTS} brokers are at work on this database already")
    ids.sit(free[0])
    ids.go_past(newest)
    node = Node(free[0], ids.new(), 0, now, f"{socket.gethostname()}:{os.getpid()}", __version__)
    last = max(gone, key=lambda one: one.seen, default=None)
    if alone and last is not None:  # what the clock has said is not forgotten before it was followed
        node = replace(node, seen=last.seen, seen_at=last.seen_at, set_back=last.set_back)
    tx.apply(Changes(put=[node]))
    return node


def nodes(tx: Transaction) -> list[Node]:
    """Return the nodes at work."""
    return tx.find(Node, Query(order=("slot",)))


def beat(tx: Transaction, node: Node, silent: Iterable[Node]) -> list[Node] | None:
    """Tell that a node lives, and remove those that have been silent too long; return who is at work, None if it is not.

    Args:
        tx: the transaction.
        node: who tells.
        silent: nodes as they were when they were last seen to move, too long ago.
    """
    known = tx.get(Node, node.slot)
    if known is None or known.number != node.number:
        return None
    tx.apply(Changes(put=[replace(known, beats=known.beats + 1)]))
    tx.apply(Changes(drop=[one for one in silent if tx.get(Node, one.slot) == one]))
    return nodes(tx)


def leave(tx: Transaction, node: Node) -> None:
    """Give the slot back."""
    known = tx.get(Node, node.slot)
    if known is not None and known.number == node.number:
        tx.apply(Changes(drop=[known]))


def has_orphans(tx: Transaction) -> bool:
    """Whether there are messages in flight at nodes that are gone."""
    return bool(tx.find(Delivery, _orphans(tx, 1)))


def recover(tx: Transaction, most: int, moment: Moment) -> int:
    """Make due again what nodes that are gone had leased; return how many there were.

    The attempt is repeated under the same number: a crash is not a failure of the endpoint (protocol 4.3).
    """
    tx.get(Node, _DOOR)
    lost = tx.claim(Delivery, _orphans(tx, most))
    give_back(tx, lost, moment)
    return len(lost)


def held_by(tx: Transaction, number: int) -> list[Delivery]:
    """Return what a node has in flight, as far as the store knows."""
    return tx.find(Delivery, Query((Where("lease", "=", number),), limit=100_000))


def give_back(tx: Transaction, lost: Iterable[Delivery], moment: Moment) -> None:
    """Make messages due again whose attempts nobody will settle; those that were to be canceled meanwhile are."""
    lost = list(lost)
    tx.load((Message, (one.seq,)) for one in lost)
    tx.load(need for one in lost if (message := tx.get(Message, one.seq)) for need in settle_needs(message))
    for one in lost:
        delivery = tx.get(Delivery, one.seq)
        message = tx.get(Message, one.seq)
        if delivery is None or delivery.lease != one.lease or delivery.retried != one.retried:
            continue
        if delivery.cancel_requested:  # the attempt it was left to finish is gone, and there is to be no other
            end_canceled(tx, message, delivery, moment)
            continue
        tx.apply(Changes(put=[replace(delivery, lease=None, wake_at=moment.now)]))
        if message is not None:
            release(tx, message, delivery, moment, ended=False)


def _orphans(tx: Transaction, most: int) -> Query:
    alive = [Where("lease", "!=", node.number) for node in nodes(tx)]
    return Query((Where("lease", "not null"), *alive), limit=most)
