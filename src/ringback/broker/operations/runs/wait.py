"""Waiting for events and sending them (workflow protocol 2.6 to 2.8)."""

from dataclasses import dataclass

from ringback.broker.changes import Changes
from ringback.broker.operations.runs.end import base64_text, completed
from ringback.broker.operations.runs.ingest import submit
from ringback.broker.records import Entry, HeaderLines, Run, SavedEvent, Waiter
from ringback.broker.rules import runs
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.options import Options

_MOST_WAITERS = 10_000
_MOST_SAVED = 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step asks for when it waits."""

    event_id: str
    timeout_ms: int
    timeout: str
    step: bytes
    options: Options
    url: str
    headers: HeaderLines


@dataclass(frozen=True, slots=True)
class Woken:
    """One run that an event was for; no waiter where the event was kept for later."""

    run: Run
    message: int
    waiter: Waiter | None = None


def wait(tx: Transaction, run: Run, wanted: Wait, limits: Limits, moment: Moment) -> int:
    """Let a run wait for an event; one that was kept for it comes at once. Return the number of the step's message."""
    seq = moment.new_id()
    identity = runs.identity(wanted.step, seq)
    known = tx.get(Entry, run.seq, identity)
    if known is not None:
        return known.message
    waiter = Waiter(
        run.tenant,
        wanted.event_id,
        seq,
        run.seq,
        wanted.step,
        wanted.options,
        moment.now + min(wanted.timeout_ms, limits.delay_ms),
        wanted.timeout,
        wanted.url,
        wanted.headers,
    )
    tx.apply(Changes(put=[Entry(run.seq, identity, seq, "step", b"", deadline=waiter.wake_at), waiter]))
    saved = tx.find(SavedEvent, Query(_saved_for(run.seq, wanted.event_id), order=("seq",), limit=1))
    if saved:
        tx.apply(Changes(drop=[*saved]))
        return _wake(tx, run, waiter, saved[0].data, limits, moment)
    return seq


def notify(
    tx: Transaction, tenant: str, event_id: str, data: bytes, run: Run | None, limits: Limits, moment: Moment
) -> list[Woken]:
    """Send an event to all that wait for it, or to one run only, for which it is kept if it does not wait yet."""
    where = [Where("tenant", "=", tenant), Where("event_id", "=", event_id)]
    if run is not None:
        where.append(Where("run", "=", run.seq))
    woken = []
    waiters = tx.find(Waiter, Query(tuple(where), order=("seq",), limit=_MOST_WAITERS))
    tx.load((Run, (waiter.run,)) for waiter in waiters)
    for waiter in waiters:
        waiting = tx.get(Run, waiter.run)
        if tx.get(Waiter, tenant, event_id, waiter.seq) is None:
            continue  # somebody else has woken it
        if waiting is not None and waiting.state == "RUN_STARTED":
            woken.append(Woken(waiting, _wake(tx, waiting, waiter, data, limits, moment), waiter))
    if run is not None and not woken:
        woken.append(Woken(run, save(tx, run, event_id, data, moment)))
    return woken


def save(tx: Transaction, run: Run, event_id: str, data: bytes, moment: Moment) -> int:
    """Keep an event until its run waits for it.

    Raises:
        Refused: 412 when too many are kept.
    """
    if tx.count(SavedEvent, *_saved_for(run.seq, event_id)) >= _MOST_SAVED:
        raise Refused(412, f"quota maxSavedEvents exceeded, current limit: {_MOST_SAVED}")
    saved = SavedEvent(moment.new_id(), run.tenant, run.seq, event_id, data)
    tx.apply(Changes(put=[saved]))
    return saved.seq


def time_out_waiters(tx: Transaction, most: int, limits: Limits, moment: Moment) -> int:
    """Let the steps go on whose event has not come in time; return how many there were."""
    due = tx.claim(Waiter, Query((Where("wake_at", "<=", moment.now),), order=("wake_at",), limit=most))
    for waiter in due:
        time_out(tx, waiter, limits, moment)
    return len(due)


def time_out(tx: Transaction, waiter: Waiter, limits: Limits, moment: Moment) -> None:
    """Let a step go on whose event has not come in time."""
    run = tx.get(Run, waiter.run)
    if run is None or run.state != "RUN_STARTED":
        tx.apply(Changes(drop=[waiter]))
    else:
        _wake(tx, run, waiter, None, limits, moment)


def waiters_of(tx: Transaction, tenant: str, event_id: str) -> list[Waiter]:
    """Return who waits for an event, in order."""
    where = (Where("tenant", "=", tenant), Where("event_id", "=", event_id))
    return tx.find(Waiter, Query(where, order=("seq",), limit=_MOST_WAITERS))


def _wake(tx: Transaction, run: Run, waiter: Waiter, data: bytes | None, limits: Limits, moment: Moment) -> int:
    """Complete a waiting step, with the event's data or, without, as timed out."""
    more: dict[str, str | bool] = {"waitEventId": waiter.event_id, "timeout": waiter.timeout}
    more |= {"waitTimeout": True} if data is None else {"out": base64_text(data)}
    body = completed(waiter.step, more)
    tx.apply(Changes(drop=[waiter]))
    identity = runs.identity(waiter.step, waiter.seq)
    return submit(tx, run, waiter.options, body, limits, moment, identity).seq


def _saved_for(run: int, event_id: str) -> tuple[Where, ...]:
    return Where("run", "=", run), Where("event_id", "=", event_id)
