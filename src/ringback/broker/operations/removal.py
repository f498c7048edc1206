"""Deleting a queue, and canceling runs in bulk: a few at once, very many in small steps (protocol 2.7, workflow protocol 3.2).

What has to be done is written down with how far it has come, as with bulk cancels: a crash loses nothing, counts nothing twice.
A queue that is being deleted is gone for everybody at once; nothing passes it any more. Whoever makes it again meanwhile, or
enqueues to it, gets a new one, which begins when the old one is empty.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.cancel import cancel_message, prepare
from ringback.broker.operations.lanes import let_in
from ringback.broker.operations.runs.cancel import active_runs, cancel_runs, chosen_runs
from ringback.broker.records import Delivery, Lane, Removal, Run
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.filters import Filter

AT_ONCE = 200
"""Most messages of a queue that one transaction cancels."""
RUNS_AT_ONCE = 50
"""Most runs that one transaction cancels; the end of each writes several records."""
_DEFAULT_RUNS = 100


def delete_queue(tx: Transaction, tenant: str, name: str, limits: Limits, moment: Moment) -> Removal | None:
    """Remove a queue; messages that wait on it are canceled, one in flight finishes and is not tried again.

    Its slots go with the queue: a queue that is made under the same name has nothing to get back from it.

    Returns:
        What has to be carried on, None if all is done.
    """
    queue = tx.get(Lane, tenant, "queue", name)
    if queue is None:
        return None
    if lanes.is_gone(queue):
        return tx.get(Removal, queue.deleting)
    newest = tx.find(Delivery, Query(_of_queue(tenant, name), order=("seq",), descending=True, limit=1))
    upto = newest[0].seq if newest else 0
    begun = Removal(queue.deleting or moment.new_id(), tenant, moment.now, upto, queue=name)
    tx.apply(Changes(put=[lanes.being_deleted(queue, begun.pos), begun]))
    if not queue.deleting:
        carry_on(tx, begun, next_of(tx, begun), limits, moment)
    return tx.get(Removal, begun.pos)


def remove_runs(
    tx: Transaction, tenant: str, filter_: Filter, limits: Limits, moment: Moment, *, exact: bool
) -> Removal:
    """Cancel the active runs a filter chooses, at most `count`, which is 100 without; return how far that is.

    Args:
        tx: the transaction.
        tenant: whose runs.
        filter_: which.
        limits: quotas for what follows from it.
        moment: time, ids and room.
        exact: URLs are meant whole, and not how they begin.
    """
    numbers = tuple(run.seq for run in active_runs(tx, tenant, filter_.ids)) if filter_.ids is not None else ()
    left = len(numbers) if filter_.ids is not None else max(1, filter_.count or _DEFAULT_RUNS)
    newest = tx.find(Run, Query((Where("tenant", "=", tenant),), order=("seq",), descending=True, limit=1))
    upto, pos = newest[0].seq if newest else 0, moment.new_id()
    begun = Removal(pos, tenant, moment.now, upto, runs=filter_, exact=exact, left=left, numbers=numbers)
    found = next_of(tx, begun)
    if len(found) < RUNS_AT_ONCE or len(found) == left:
        return replace(begun, done=cancel_runs(tx, found, limits, moment), open=None)
    tx.apply(Changes(put=[begun]))
    carry_on(tx, begun, found, limits, moment)
    return tx.get(Removal, pos) or begun


def next_of(tx: Transaction, removal: Removal) -> list[int]:
    """Return the numbers of the next ones to be ended; reads only."""
    if removal.runs is None:
        where = (*_of_queue(removal.tenant, removal.queue), *_further(removal))
        return [one.seq for one in tx.find(Delivery, Query(where, order=("seq",), limit=AT_ONCE))]
    most = min(removal.left, RUNS_AT_ONCE)
    if removal.runs.ids is not None:
        return list(removal.numbers[:most])
    where = (*chosen_runs(removal.tenant, removal.runs, exact=removal.exact), *_further(removal))
    return [one.seq for one in tx.find(Run, Query(where, order=("seq",), limit=most))]


def carry_on(tx: Transaction, seen: Removal, numbers: Sequence[int], limits: Limits, moment: Moment) -> None:
    """End the next ones of a removal, unless it has moved since it was looked at.

    Args:
        tx: the transaction.
        seen: the removal as it was then.
        numbers: what `next_of` found; none, or fewer than it may find, end the removal.
        limits: quotas for what follows from it.
        moment: time, ids and room.
    """
    if tx.get(Removal, seen.pos) != seen:
        return
    if seen.runs is None:
        done, is_last = _empty(tx, seen, numbers, moment), len(numbers) < AT_ONCE
        left = 0
    else:
        done, left = cancel_runs(tx, numbers, limits, moment), seen.left - len(numbers)
        is_last = len(numbers) < RUNS_AT_ONCE or not left
    after = numbers[-1] if numbers else seen.after
    moved = replace(seen, after=after, done=seen.done + done, left=left, numbers=seen.numbers[len(numbers) :])
    if is_last and seen.runs is None:
        tx.apply(Changes(drop=[seen]))
        _close(tx, seen, moment)
    else:  # a removal of runs is kept a while: another broker may want to tell how many there were
        tx.apply(Changes(put=[replace(moved, open=None) if is_last else moved]))


def _empty(tx: Transaction, seen: Removal, numbers: Sequence[int], moment: Moment) -> int:
    """Cancel what the queue left behind; what was enqueued since it was made again is not of it."""
    queue = tx.get(Lane, seen.tenant, "queue", seen.queue)
    made_at = queue.created_at if queue is not None and queue.anew else None
    prepare(tx, numbers)
    done = 0
    for seq in numbers:
        delivery = tx.get(Delivery, seq)
        if delivery is None or delivery.queue_made_at == made_at:
            continue
        done += cancel_message(tx, seen.tenant, seq, moment)
        left = tx.get(Delivery, seq)
        if left is not None:
            tx.apply(Changes(put=[replace(left, queued=False)]))
    return done


def _close(tx: Transaction, seen: Removal, moment: Moment) -> None:
    """The queue is empty: it goes, or begins where it was made again.

    A broker of a release that does not know of `deleting` loses the mark as soon as it enqueues something: then the queue stays
    if there is something that is newer.
    """
    queue = tx.get(Lane, seen.tenant, "queue", seen.queue)
    if queue is None or queue.deleting not in (0, seen.pos):
        return
    newer = (*_of_queue(seen.tenant, seen.queue), Where("seq", ">", seen.upto))
    if not (queue.anew if queue.deleting else tx.find(Delivery, Query(newer, limit=1))):
        tx.apply(Changes(drop=[queue]))
        return
    begun = lanes.begun_anew(queue)
    tx.apply(Changes(put=[begun]))
    let_in(tx, begun, moment)


def _of_queue(tenant: str, name: str | None) -> tuple[Where, ...]:
    return Where("tenant", "=", tenant), Where("queue", "=", name)


def _further(removal: Removal) -> tuple[Where, ...]:
    return Where("seq", ">", removal.after), Where("seq", "<=", removal.upto)
