"""Forgetting what nobody may ask for any more, a little at a time, so that nothing else waits for it."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.ids import first_id_at
from ringback.broker.operations import stretches
from ringback.broker.operations.queues import is_known
from ringback.broker.operations.statistics import LONGEST
from ringback.broker.records import (
    AuditEntry,
    BulkAction,
    DeadLetter,
    Dedup,
    Delivery,
    Entry,
    Event,
    Facets,
    Lane,
    Message,
    MinuteCounts,
    Progress,
    Record,
    Removal,
    Run,
)
from ringback.broker.rules.counting import MINUTE_MS
from ringback.broker.rules.facets import labels_of, last_day
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where

_ACTIONS_MS = 7 * 86_400_000
"""Bulk actions stay visible for seven days (protocol 2.6.1)."""
_CLOSED = Where("open", "null")
_AUDIT_MS = 90 * 86_400_000
"""What administrators did stays visible for ninety days."""


def forget_history(tx: Transaction, most: int, limits: Limits, moment: Moment) -> int:
    """Drop events, dead letters and deduplication ids that are past their time; return how many went."""
    events = Where("pos", "<", first_id_at(moment.now - limits.log_retention_ms))
    letters = Where("pos", "<", first_id_at(moment.now - limits.dlq_retention_ms))
    taken = Query((Where("expires_at", "<=", moment.now),), order=("expires_at",), limit=most)  # and may be again
    gone: list[Record] = [
        *tx.find(Event, Query((events,), order=("pos",), limit=most)),
        *tx.find(DeadLetter, Query((letters,), order=("pos",), limit=most)),
        *tx.find(BulkAction, Query((Where("pos", "<", first_id_at(moment.now - _ACTIONS_MS)),), limit=most)),
        *tx.find(Removal, Query((Where("pos", "<", first_id_at(moment.now - _ACTIONS_MS)), _CLOSED), limit=most)),
        *tx.find(AuditEntry, Query((Where("pos", "<", first_id_at(moment.now - _AUDIT_MS)),), limit=most)),
        *tx.find(MinuteCounts, Query((Where("minute", "<", moment.now // MINUTE_MS - LONGEST),), limit=most)),
        *tx.claim(Dedup, taken),
        *stretches.forgotten(tx, most, limits, moment.now),
    ]
    tx.apply(Changes(drop=gone))
    return len(gone)


def forget_messages(tx: Transaction, after: int, most: int, limits: Limits, moment: Moment) -> int:
    """Drop messages that have ended and are in no history any more.

    Args:
        tx: the transaction.
        after: number of the last message that was looked at.
        most: how many to look at.
        limits: how long history is kept.
        moment: the time.

    Returns:
        The number of the last message that was looked at, or `after` when none is left.
    """
    kept_ms = max(limits.log_retention_ms, limits.dlq_retention_ms)
    where = (Where("seq", ">", after), Where("seq", "<", first_id_at(moment.now - kept_ms)))
    old = tx.find(Message, Query(where, order=("seq",), limit=most))
    tx.apply(Changes(drop=[one for one in old if _is_over(tx, one.seq)]))
    return old[-1].seq if old else after


def forget_runs(tx: Transaction, after: int, most: int, limits: Limits, moment: Moment) -> int:
    """Drop runs that ended long ago, with their lists; see `forget_messages` for arguments and answer.

    A run that still has a dead letter can be resumed, so it is kept as long as that; and as long as something of it was in
    flight when its broker died, which is known by it.
    """
    kept_ms = max(limits.log_retention_ms, limits.dlq_retention_ms)
    before = moment.now - kept_ms
    where = (Where("seq", ">", after), Where("seq", "<", first_id_at(before)), Where("state", "!=", "RUN_STARTED"))
    old = tx.find(Run, Query(where, order=("seq",), limit=most))
    for run in old:
        one_of_it = Query((Where("run", "=", run.seq),), limit=1)
        if (run.ended_at or 0) >= before or any(tx.find(kind, one_of_it) for kind in (DeadLetter, Delivery)):
            continue
        of_run = replace(one_of_it, limit=100_000)
        tx.apply(Changes(drop=[run, *tx.find(Entry, of_run), *tx.find(Progress, of_run)]))
    return old[-1].seq if old else after


def forget_facets(tx: Transaction, after: int, most: int, limits: Limits, moment: Moment) -> int:
    """Drop facets that no history carries any more; see `forget_messages` for arguments and answer.

    They are held while it is looked whether anything carries them: another broker may be about to use them again.
    """
    kept_ms = max(limits.log_retention_ms, limits.dlq_retention_ms)
    where = (Where("id", ">", after), Where("day", "<", last_day(moment.now - kept_ms)))
    old = tx.find(Facets, Query(where, order=("id",), limit=most))
    tx.load((Facets, (facets.id,)) for facets in old)
    for facets in old:
        if tx.get(Facets, facets.id) != facets:
            continue
        about = Query((Where("facets", "=", facets.id),), limit=1)
        if not any(tx.find(kind, about) for kind in (Event, DeadLetter, Run)):
            tx.apply(Changes(drop=[facets, *labels_of(facets)]))
    return old[-1].id if old else after


def forget_lanes(tx: Transaction, moment: Moment) -> int:
    """Drop flow-control keys that nobody uses; return how many went."""
    flows = tx.find(Lane, Query((Where("kind", "=", "flow"),), limit=100_000))
    unused = [flow for flow in flows if not is_known(flow, moment.now)]
    tx.load((Lane, (flow.tenant, flow.kind, flow.name)) for flow in unused)
    now = [tx.get(Lane, flow.tenant, flow.kind, flow.name) for flow in unused]
    gone = [flow for flow in now if flow and not is_known(flow, moment.now)]  # or somebody uses it again
    tx.apply(Changes(drop=list(gone)))
    return len(gone)


def _is_over(tx: Transaction, seq: int) -> bool:
    """Whether a message has ended and is in no history; nothing is held meanwhile, since what has ended never begins again."""
    if tx.look(Delivery, seq) is not None:
        return False
    about = Query((Where("message", "=", seq),), limit=1)
    return not tx.find(DeadLetter, about) and not tx.find(Event, about)
