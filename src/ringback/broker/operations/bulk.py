"""Canceling many messages at once (protocol 2.6).

What a filter chooses is looked for beside the writers, and canceled a few hundred messages at a time, so that nothing else waits
long. How far a cancel has come is written in the transaction that got it there: a crash loses nothing, and counts nothing twice.
A `count` bounds nothing: clients send one with every call, and expect one call to cancel all there is.
Newest first: the heads of queues go last, so that nothing is started only because what was before it was canceled.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.ids import parse_message_id, parse_position
from ringback.broker.operations.cancel import cancel_message, cancel_messages, prepare
from ringback.broker.operations.selection import about_message, within_dates
from ringback.broker.records import BulkAction, BulkCancel, Delivery, HeaderLines
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.filters import Filter

AT_ONCE = 200
"""Most messages that one transaction cancels; bounds how long the loop is kept from other work."""
_MOST_UNDER_WAY = 1000


class Choice(NamedTuple):
    """What a filter chooses at one moment.

    Attributes:
        first: numbers of the newest messages of it, at most as many as one transaction cancels.
        is_all: there are no others.
        upto: number of the newest message there is.
        total: how many it chooses; only counted where `first` is not all.
    """

    first: list[int]
    is_all: bool
    upto: int
    total: int


def choose(tx: Transaction, tenant: str, filter_: Filter) -> Choice:
    """Look for what a filter chooses; reads only."""
    newest = tx.find(Delivery, Query(order=("seq",), descending=True, limit=1))
    upto = newest[0].seq if newest else 0
    first = next_of(tx, tenant, filter_, upto, AT_ONCE)
    if len(first) < AT_ONCE:
        return Choice(first, True, upto, len(first))
    return Choice(first, False, upto, tx.count(Delivery, *_chosen_by(tenant, filter_)))


def next_of(tx: Transaction, tenant: str, filter_: Filter, upto: int, most: int) -> list[int]:
    """Return the numbers of the newest messages that are chosen and not canceled yet, none above `upto`; reads only."""
    chosen = _chosen_by(tenant, filter_)
    numbers: list[int] = []
    while len(numbers) < most:
        where = (*chosen, Where("seq", "<=", upto))
        found = tx.find(Delivery, Query(where, order=("seq",), descending=True, limit=most))
        numbers += [delivery.seq for delivery in found if not delivery.cancel_requested]
        if len(found) < most:
            break
        upto = found[-1].seq - 1
    return numbers[:most]


def cancel_ids(tx: Transaction, tenant: str, ids: Sequence[str], limits: Limits, moment: Moment) -> int:
    """Cancel messages by their ids; return how many were pending and not canceled before."""
    numbers = [seq for seq in map(parse_message_id, dict.fromkeys(ids)) if seq is not None]
    return cancel_messages(tx, tenant, numbers, limits, moment)


def cancel_all(tx: Transaction, tenant: str, numbers: Sequence[int], moment: Moment) -> int:
    """Cancel messages that a filter chose, so none of runs; return how many were pending and not canceled before."""
    prepare(tx, numbers)
    return sum(cancel_message(tx, tenant, seq, moment) for seq in numbers)


def record(tx: Transaction, tenant: str, canceled: int, asked: HeaderLines, moment: Moment) -> BulkAction:
    """Write down a cancel that was carried out at once."""
    action = BulkAction(moment.new_id(), tenant, canceled, moment.now, asked)
    tx.apply(Changes(put=[action]))
    return action


def begin(
    tx: Transaction, tenant: str, filter_: Filter, asked: HeaderLines, choice: Choice, moment: Moment
) -> BulkCancel:
    """Write down a cancel that has to be carried on; one of the same filter that is under way starts over with what is new.

    Raises:
        Refused: 412 where too many are under way.
    """
    running = tx.find(BulkCancel, Query((Where("tenant", "=", tenant),), limit=_MOST_UNDER_WAY))
    same = next((one for one in running if one.chosen == filter_), None)
    same = tx.get(BulkCancel, same.pos) if same else None  # held for this job, if it has not ended meanwhile
    if same is None and len(running) >= _MOST_UNDER_WAY:
        raise Refused(412, f"more than {_MOST_UNDER_WAY} bulk actions are in progress")
    if same is None:
        begun = BulkCancel(moment.new_id(), tenant, filter_, asked, moment.now, choice.upto, choice.total)
    else:
        begun = replace(same, upto=choice.upto, total=same.canceled + choice.total)
    tx.apply(Changes(put=[begun]))
    return begun


def carry_on(tx: Transaction, seen: BulkCancel, numbers: Sequence[int], moment: Moment) -> None:
    """Cancel the next messages of a cancel, unless it has moved since it was looked at.

    Args:
        tx: the transaction.
        seen: the cancel as it was then.
        numbers: what `next_of` found; fewer than it may find end the cancel.
        moment: time and ids.
    """
    if tx.get(BulkCancel, seen.pos) != seen:
        return
    canceled = seen.canceled + cancel_all(tx, seen.tenant, numbers, moment)
    if len(numbers) < AT_ONCE:
        action = BulkAction(seen.pos, seen.tenant, canceled, seen.at, seen.asked, completed_at=moment.now)
        tx.apply(Changes(put=[action], drop=[seen]))
    else:
        tx.apply(Changes(put=[replace(seen, canceled=canceled, upto=numbers[-1] - 1)]))


def actions(tx: Transaction, tenant: str, cursor: str | None, count: int) -> list[BulkAction]:
    """Return recorded bulk cancels, newest first.

    Raises:
        Refused: 400 for a cursor that is none.
    """
    return tx.find(BulkAction, _page(tenant, cursor, count))


def under_way(tx: Transaction, tenant: str, cursor: str | None, count: int) -> list[BulkCancel]:
    """Return bulk cancels that are under way, newest first.

    Raises:
        Refused: 400 for a cursor that is none.
    """
    return tx.find(BulkCancel, _page(tenant, cursor, count))


def _page(tenant: str, cursor: str | None, count: int) -> Query:
    where = [Where("tenant", "=", tenant)]
    if cursor:
        pos = parse_position(cursor)
        if pos is None:
            raise Refused(400, f"invalid cursor {cursor[:64]!r}")
        where.append(Where("pos", "<", pos))
    return Query(tuple(where), order=("pos",), descending=True, limit=count)


def _chosen_by(tenant: str, filter_: Filter) -> tuple[Where, ...]:
    return (
        Where("tenant", "=", tenant),
        Where("run", "=", 0),
        *within_dates(filter_, "seq"),
        *about_message(filter_),
    )
