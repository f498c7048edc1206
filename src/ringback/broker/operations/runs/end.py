"""The end of a run: everything that follows from it is written in the same transaction (workflow protocol 4.2, 4.5)."""

import base64
from typing import Any

import msgspec
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.lanes import leave, release
from ringback.broker.operations.runs.append import all_entries
from ringback.broker.operations.runs.ingest import submit
from ringback.broker.records import (
    ActiveRun,
    DeadLetter,
    Delivery,
    Entry,
    Event,
    FailureFunction,
    Message,
    Run,
    RunState,
    SavedEvent,
    Waiter,
)
from ringback.broker.rules import runs
from ringback.broker.rules.facets import facets_of
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.run_list import listed
from ringback.broker.rules.run_settle import failure_message
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.options import Callback
from ringback.wire.unreadable import UNREADABLE

_AT_ONCE = 10_000


def end_run(
    tx: Transaction, run: Run, state: RunState, limits: Limits, moment: Moment, *, result: str | None = None
) -> None:
    """End a run that is active: nothing of it is delivered any more, and who waits for it is told."""
    ended = replace(tx.get(Run, run.seq) or run, state=state, ended_at=moment.now, result=result)
    tx.apply(Changes(put=[ended], drop=[ActiveRun(run.tenant, run.run_id, run.seq)]))
    tx.later((Run, run.seq), lambda: _clear(tx, run, moment))
    if run.invoker is not None:
        _tell_invoker(tx, ended, limits, moment)


def fail_run(
    tx: Transaction,
    run: Run,
    message: Message,
    letter: DeadLetter,
    step: str | None,
    limits: Limits,
    moment: Moment,
) -> None:
    """Fail a run: its dead letter is kept, and its failure function called."""
    run = replace(tx.get(Run, run.seq) or run, dead_letter=letter.pos, failed_step=step)
    tx.apply(Changes(put=[letter, run]))
    end_run(tx, run, "RUN_FAILED", limits, moment)
    callback = runs.failure_callback(run)
    if callback is None:
        return
    report = failure_message(run, callback, message, letter, source_of(tx, run, callback), limits, moment)
    failed = tx.get(Run, run.seq) or run
    tx.apply(Changes(put=[replace(failed, failure=FailureFunction(report.seq, "CALLBACK_INPROGRESS"))]))
    accept(tx, report, moment)


def source_of(tx: Transaction, run: Run, callback: Callback) -> bytes:
    """Return what a failure function is told the run was about: its payload; its list for SDKs of before `InitialBody` (4.2).

    A run that was started by URL and never confirmed has told no features; whoever hears of its failure reads payloads.
    """
    workflow = callback.options.workflow
    features = (workflow.features if workflow else ()) or run.features
    if run.confirmed and "InitialBody" not in features:
        return listed(all_entries(tx, run.seq)).json
    first = tx.get(Entry, run.seq, "init")
    return first.body if first else b""


def _clear(tx: Transaction, run: Run, moment: Moment) -> None:
    """Remove what waits; what is in flight finds the run ended when it comes back, and its failure function is not of it."""
    of_run = Query((Where("run", "=", run.seq),), limit=_AT_ONCE)
    waiters = tx.find(Waiter, of_run)
    cut_short = [entry for waiter in waiters if (entry := _cut_short(tx, waiter)) is not None]
    tx.apply(Changes(put=[*cut_short], drop=[*waiters, *tx.find(SavedEvent, of_run)]))
    for delivery in tx.claim(Delivery, of_run, wait=True):
        message = tx.get(Message, delivery.seq)
        if delivery.lease is not None or (message is not None and message.kind == "failure"):
            continue
        facets = facets_of(message) if message is not None else 0
        canceled = Event(moment.new_id(), run.tenant, delivery.seq, "CANCELED", moment.now, facets=facets)
        tx.apply(Changes(put=[canceled], drop=[delivery]))
        leave(tx, delivery, moment)
        if message is not None:
            release(tx, message, delivery, moment, ended=True)


def _cut_short(tx: Transaction, waiter: Waiter) -> Entry | None:
    """A step that waits no more: its log tells what it waited for."""
    entry = tx.get(Entry, waiter.run, runs.identity(waiter.step, waiter.seq))
    if entry is None or entry.body:
        return None
    return replace(entry, cut_short=completed(waiter.step, {"waitEventId": waiter.event_id, "timeout": waiter.timeout}))


def _tell_invoker(tx: Transaction, child: Run, limits: Limits, moment: Moment) -> None:
    """Complete the parent's step; a parent that has failed keeps the result for a resume but is not called (2.9)."""
    invoker = child.invoker
    parent = tx.get(Run, invoker.run) if invoker else None
    if invoker is None or parent is None or parent.state not in ("RUN_STARTED", "RUN_FAILED"):
        return
    told: dict[str, Any] = {"isFailed": child.state == "RUN_FAILED", "isCanceled": child.state == "RUN_CANCELED"}
    if child.state == "RUN_SUCCESS" and child.result is not None:
        told = {"body": child.result} | told
    body = completed(invoker.step, {"out": msgspec.json.encode(told).decode()})
    identity = runs.identity(body, 0)
    if parent.state == "RUN_STARTED":
        submit(tx, parent, invoker.options, body, limits, moment, identity)
        return
    noted = tx.get(Entry, parent.seq, identity)
    if noted is not None:
        tx.apply(Changes(put=[replace(noted, body=body)]))


def completed(step: bytes, more: dict[str, Any]) -> bytes:
    """Return a step's JSON with further fields, all that was in it kept.

    What is no step any more, as a former release may have let in, becomes one: it must not stop whoever completes many.
    """
    try:
        known = msgspec.json.decode(step)
    except UNREADABLE:
        known = None
    return msgspec.json.encode((known if isinstance(known, dict) else {}) | more)


def base64_text(data: bytes) -> str:
    """Return bytes as the text in which events travel."""
    return base64.b64encode(data).decode()
