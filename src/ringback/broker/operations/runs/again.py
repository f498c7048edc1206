"""Failed runs again: resume, restart, and the failure function once more (workflow protocol 3.5, 4.7)."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.cancel import cancel_message, prepare
from ringback.broker.operations.runs.append import all_entries
from ringback.broker.operations.runs.end import source_of
from ringback.broker.operations.runs.ingest import new_run_id
from ringback.broker.records import DeadLetter, Entry, FailureFunction, Message, Run, RunRef
from ringback.broker.rules import runs
from ringback.broker.rules.facets import with_facets
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.run_settle import call_result_message, failure_message
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.options import Options

_OVERRIDES = ("retries", "retry_delay", "flow_control", "failure_callback")


def restart(tx: Transaction, letter: DeadLetter, changed: Options, limits: Limits, moment: Moment) -> Run:
    """Start a failed run from its beginning, under a new id; its dead letter is gone with that.

    Raises:
        Refused: 400 where its list is not kept any more.
    """
    old, entries = _failed(tx, letter)
    run = _renewed(old, changed, moment)
    payload = entries[0].body
    message = runs.step_message(run, changed, "init", limits, moment)
    entry = Entry(run.seq, "init", message.seq, "step", payload)
    tx.apply(Changes(put=[*runs.beginning(run, moment.now), entry], drop=[letter]))
    accept(tx, message, moment)
    return run


def resume(tx: Transaction, letter: DeadLetter, changed: Options, limits: Limits, moment: Moment) -> Run:
    """Go on with a failed run where it failed, under a new id: what has a result keeps it.

    What was delivered but never led on is delivered again: the last entry, every planned step without its result, and the entry
    before a third-party call whose answer never came. An answer that came is told again: nobody is called, or paid, twice.
    What slept, and had no place in the list yet, sleeps on.

    Raises:
        Refused: 400 where its list is not kept any more.
    """
    old, entries = _failed(tx, letter)
    beside = _beside(tx, old)
    entries += [entry for entry in beside if entry.child]  # of children that ended after their parent failed (2.9)
    ahead = [entry for entry in beside if not entry.child and entry.call_type == "step"]
    results = {entry.identity[1:] for entry in (*entries, *ahead) if entry.identity.startswith("r")}
    answers = _untold(tx, entries, results)
    done = results | {_call_step(entry) for entry in entries if entry.identity in answers}
    # a call without its answer is made anew: its traces would make the new one a duplicate
    kept = [entry for entry in entries if entry.call_type == "step" or _call_step(entry) in done]
    run = replace(_renewed(old, changed, moment), entries=len(kept))
    tx.apply(Changes(put=runs.beginning(run, moment.now), drop=[letter]))
    frontier = _frontier(kept, results, done, ahead)
    for number, entry in enumerate(kept):
        asked = entry.call_type == "toCallback"  # by the message of then, which tells the log what was asked for
        seq = entry.message if asked else moment.new_id()
        tx.apply(Changes(put=[replace(entry, run=run.seq, message=seq, place=number)]))
        if entry.identity in answers:
            accept(tx, _told_again(run, entry, answers[entry.identity], changed, limits, moment, seq), moment)
        elif entry.identity in frontier:
            message = runs.step_message(run, changed, entry.identity, limits, moment, seq=seq)
            accept(tx, message, moment)
    for entry in ahead:
        seq = moment.new_id()
        message = runs.step_message(run, changed, entry.identity, limits, moment, seq=seq)
        tx.apply(Changes(put=[Entry(run.seq, entry.identity, seq, entry.call_type, entry.body)]))
        accept(tx, _not_sooner(message, tx.get(Message, entry.message)), moment)
    return run


def rerun_failure_function(tx: Transaction, letter: DeadLetter, limits: Limits, moment: Moment) -> Run:
    """Call the failure function of a run once more.

    Raises:
        Refused: 400 unless it has failed.
    """
    run, _ = _failed(tx, letter)
    failed, callback = tx.get(Message, letter.message), runs.failure_callback(run)
    if run.failure is None or run.failure.state != "CALLBACK_FAIL" or failed is None or callback is None:
        raise Refused(400, "the failure function of this run has not failed")
    report = failure_message(run, callback, failed, letter, source_of(tx, run, callback), limits, moment)
    run = replace(run, failure=FailureFunction(report.seq, "CALLBACK_INPROGRESS"))
    tx.apply(Changes(put=[run]))
    accept(tx, report, moment)
    return run


def cancel_failure_function(tx: Transaction, letter: DeadLetter, moment: Moment) -> None:
    """Give up calling the failure function of a run; a call that is in flight is not tried again.

    Raises:
        Refused: 400 when it is not being called.
    """
    run = tx.get(Run, letter.run)
    if run is None or run.failure is None or run.failure.state != "CALLBACK_INPROGRESS":
        raise Refused(400, "no failure function of this run is in progress")
    tx.apply(Changes(put=[replace(run, failure=replace(run.failure, state="CALLBACK_CANCELED"))]))
    prepare(tx, (run.failure.message,))
    cancel_message(tx, run.tenant, run.failure.message, moment)


def _failed(tx: Transaction, letter: DeadLetter) -> tuple[Run, list[Entry]]:
    run = tx.get(Run, letter.run)
    entries = all_entries(tx, letter.run) if run else []
    if run is None or not entries:
        raise Refused(400, "this dead letter is not of a workflow run whose steps are kept")
    return run, entries


def _renewed(old: Run, changed: Options, moment: Moment) -> Run:
    """Return a run like the failed one, with what the request changes."""
    asked = {name: value for name in _OVERRIDES if (value := getattr(changed, name)) is not None}
    if changed.labels:
        asked["labels"] = changed.labels
    renewed = replace(
        old,
        seq=moment.new_id(),
        run_id=new_run_id(),
        created_at=moment.now,
        options=replace(old.options, **asked),
        state="RUN_STARTED",
        entries=0,
        confirmed=True,
        unknown_sdk=False,
        invoker=None,
        ended_at=None,
        result=None,
        dead_letter=None,
        failed_step=None,
        failure=None,
    )
    return with_facets(renewed)


def _beside(tx: Transaction, old: Run) -> list[Entry]:
    """Return what was submitted and has no place in the list, oldest first; a step that only waits has nothing to go on with."""
    beside = tx.find(Entry, Query((Where("run", "=", old.seq), Where("place", "null")), order=("message",)))
    return [entry for entry in beside if entry.body]


def _not_sooner(message: Message, before: Message | None) -> Message:
    """A sleep ends when it would have ended."""
    if before is None or before.not_before <= message.not_before:
        return message
    return replace(message, not_before=before.not_before, fixed=before.fixed)


def _call_step(entry: Entry) -> str:
    return entry.identity.lstrip("fc")


def _untold(tx: Transaction, entries: list[Entry], results: set[str]) -> dict[str, Message]:
    """Return the messages that carry answers of calls which have come and led to no result, by the entries of the answers."""
    answers = [one for one in entries if one.identity.startswith("fc") and _call_step(one) not in results]
    tx.load((Message, (entry.message,)) for entry in answers)
    return {entry.identity: told for entry in answers if (told := tx.get(Message, entry.message)) is not None}


def _told_again(
    run: Run, entry: Entry, told: Message, changed: Options, limits: Limits, moment: Moment, seq: int
) -> Message:
    """Return the message that brings the answer of a call once more; one that came too late was never told (see `settle`)."""
    callback = told.run.callback if told.run else None
    if callback is not None:
        return call_result_message(run, callback, entry.body, entry.identity, limits, moment, seq)
    return replace(
        told,
        seq=seq,
        created_at=moment.now,
        not_before=moment.now,
        retries=told.retries if changed.retries is None else changed.retries,
        retry_delay=changed.retry_delay or told.retry_delay,
        flow=changed.flow_control or told.flow,
        labels=run.options.labels,
        run=RunRef(run.seq, entry.identity, told.run.features if told.run else ()),
    )


def _frontier(entries: list[Entry], results: set[str], done: set[str], ahead: list[Entry]) -> set[str]:
    """Return the entries whose delivery has to be made again; the last one has led on where something ahead is newer, or a call
    has been answered.
    """
    plans = {
        entry.identity for entry in entries if entry.identity.startswith("p") and entry.identity[1:] not in results
    }
    if plans:
        return {plan for plan in plans if plan[1:] not in done}
    has_led_on = done != results or any(entry.message > entries[-1].message for entry in ahead)
    return set() if has_led_on else {entries[-1].identity}
