"""Gathering what is needed to say why a message or a run is not further, and finding those that make no progress."""

from collections.abc import Iterable
from dataclasses import dataclass

from ringback.broker.ids import first_id_at, instant_of
from ringback.broker.records import ActiveRun, Delivery, Entry, Event, Lane, Message, Progress, Run, Waiter
from ringback.broker.rules.holding import Holding
from ringback.broker.rules.lanes import address, key_of
from ringback.broker.rules.why import Cause, RunStanding, Standing, moment, why_message, why_run
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import Instant

_MOST_EVENTS = 500
_MOST_OPEN = 100
_MOST_LOOKED_AT = 1000
MOST_AHEAD = 1000
"""So many of those who stand before a message are counted."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """A message or a run that makes no progress.

    Attributes:
        message: number of the message, 0 for a run.
        run_id: id of the run, "" for a message that belongs to none.
        url: where it is delivered.
        causes: what it waits for.
    """

    tenant: str
    message: int
    run_id: str
    url: str
    causes: tuple[Cause, ...]


def message_causes(tx: Transaction, message: Message, now: Instant, holding: Holding) -> list[Cause]:
    """Return what a message waits for, or how it ended."""
    delivery = tx.get(Delivery, message.seq)
    if delivery is not None:
        return [why_message(_standing(tx, message, delivery), now, holding)]
    last = _events(tx, message.seq)[-1:]
    at, state = (last[0].at, last[0].state) if last else (message.created_at, "ended")
    return [Cause("ended", f"it has ended as {state} at {moment(at)}", at)]


def run_causes(tx: Transaction, run: Run, now: Instant, holding: Holding) -> list[Cause]:
    """Return what a run waits for, or how it ended."""
    of_run = Query((Where("run", "=", run.seq),), limit=_MOST_OPEN)
    messages = [
        _standing(tx, message, delivery)
        for delivery in tx.find(Delivery, of_run)
        if (message := tx.get(Message, delivery.seq)) is not None
    ]
    waiters = tx.find(Waiter, of_run)
    if messages or waiters or run.state != "RUN_STARTED":
        return why_run(RunStanding(run, messages, waiters), now, holding)
    entries = tx.find(Entry, Query((Where("run", "=", run.seq),), limit=10_000))
    children = [child for one in entries if one.child and not one.body and (child := tx.get(Run, one.child))]
    return why_run(RunStanding(run, (), (), children, _moved_at(tx, run, entries)), now, holding)


def stalled(tx: Transaction, tenant: str, longest: int, now: Instant, holding: Holding) -> list[Stalled]:
    """Return the messages and runs that have made no progress for `longest` milliseconds.

    Args:
        tx: the transaction.
        tenant: whose.
        longest: how long nothing may happen.
        now: the time.
        holding: what this node has in flight.
    """
    found: dict[tuple[int, str], Stalled] = {}
    for delivery in _suspects(tx, tenant, now - longest, now):
        message = tx.get(Message, delivery.seq)
        if message is None:
            continue
        cause = why_message(_standing(tx, message, delivery), now, holding)
        if cause.is_stalled(now, longest):
            run = tx.get(Run, delivery.run) if delivery.run else None
            one = Stalled(tenant, message.seq, run.run_id if run else "", message.url, (cause,))
            found[one.message, one.run_id] = one
    told = {one.run_id for one in found.values()}
    for run in _old_runs(tx, tenant, now - longest):
        causes = tuple(cause for cause in run_causes(tx, run, now, holding) if cause.is_stalled(now, longest))
        if causes and run.run_id not in told:
            found[0, run.run_id] = Stalled(tenant, 0, run.run_id, run.url, causes)
    return list(found.values())


def _suspects(tx: Transaction, tenant: str, before: Instant, now: Instant) -> Iterable[Delivery]:
    """Yield the first of each line and of what is due, what is in flight for long, and the soonest that are tried again."""
    mine, due = Where("tenant", "=", tenant), Where("due_at", "<=", before)
    for lane in tx.find(Lane, Query((mine,), limit=_MOST_LOOKED_AT)):
        if lane.waiting:
            line = Where("lane", "=", address(lane.kind, lane.tenant, lane.name))
            yield from tx.find(Delivery, Query((line, due), order=("due_at",), limit=1))
    yield from tx.find(Delivery, Query((mine, Where("lease", "not null"), due), limit=_MOST_LOOKED_AT))
    yield from tx.find(Delivery, Query((mine, Where("wake_at", "<=", before)), order=("wake_at",), limit=1))
    soon = (mine, Where("wake_at", "<=", now + 86_400_000))
    for delivery in tx.find(Delivery, Query(soon, order=("wake_at",), limit=_MOST_LOOKED_AT)):
        if delivery.retried:
            yield delivery


def _old_runs(tx: Transaction, tenant: str, before: Instant) -> Iterable[Run]:
    query = Query((Where("tenant", "=", tenant),), order=("run_id",), limit=_MOST_LOOKED_AT)
    for active in tx.find(ActiveRun, query):
        run = tx.get(Run, active.run) if active.run < first_id_at(before) else None
        if run is not None:
            yield run


def _standing(tx: Transaction, message: Message, delivery: Delivery) -> Standing:
    events = _events(tx, message.seq)
    failures = [event for event in events if event.state == "ERROR"]
    begun = events[-1].at if events and events[-1].state == "ACTIVE" else None
    lane = tx.get(Lane, *key_of(delivery.lane)) if delivery.lane else None
    reference = message.run
    return Standing(
        message,
        delivery,
        failures[-1] if failures else None,
        begun,
        lane,
        _ahead(tx, delivery) if lane else 0,
        _holder(tx, lane, message.seq) if lane is not None and lane.kind == "queue" and not lane.paused else "",
        tx.get(Progress, reference.run, message.seq) if reference else None,
        tx.get(Entry, reference.run, reference.entry) if reference and reference.entry else None,
    )


def _ahead(tx: Transaction, delivery: Delivery) -> int:
    """Count who stands before a message in its line, up to `MOST_AHEAD`."""
    line = (Where("lane", "=", delivery.lane), Where("due_at", "<=", delivery.due_at))
    before = tx.find(Delivery, Query(line, order=("due_at",), limit=MOST_AHEAD))
    return sum(1 for one in before if (one.due_at, one.seq) < (delivery.due_at, delivery.seq))


def _holder(tx: Transaction, lane: Lane, seq: int) -> str:
    """Say what the message waits for that has the queue's slot, if it waits between retries."""
    where = (Where("tenant", "=", lane.tenant), Where("queue", "=", lane.name), Where("seq", "<", seq))
    for delivery in tx.find(Delivery, Query(where, order=("seq",), limit=_MOST_OPEN)):
        message = tx.get(Message, delivery.seq) if delivery.queued and delivery.retried else None
        if message is not None:
            held = Standing(message, delivery, next(iter(_failures(tx, delivery.seq)), None))
            return f"the one before it holds the queue: {why_message(held, delivery.due_at - 1).text}"
    return ""


def _failures(tx: Transaction, seq: int) -> list[Event]:
    return [event for event in reversed(_events(tx, seq)) if event.state == "ERROR"]


def _events(tx: Transaction, seq: int) -> list[Event]:
    return tx.find(Event, Query((Where("message", "=", seq),), order=("pos",), limit=_MOST_EVENTS))


def _moved_at(tx: Transaction, run: Run, entries: list[Entry]) -> Instant:
    newest = max((entry.message for entry in entries), default=run.seq)
    events = _events(tx, newest)
    return events[-1].at if events else instant_of(newest)
