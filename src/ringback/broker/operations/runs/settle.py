"""Writing down how an attempt of a workflow's message ended, with everything that follows for its run."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.lanes import release
from ringback.broker.operations.publication import Publication
from ringback.broker.operations.runs.append import place
from ringback.broker.operations.runs.end import end_run, fail_run
from ringback.broker.operations.runs.ingest import ingest
from ringback.broker.records import Delivery, Entry, FailureFunction, FailureState, Message, Run
from ringback.broker.rules import run_settle
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.settle import Settled, settle
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.http import Outcome


def settle_run(
    tx: Transaction, message: Message, delivery: Delivery, outcome: Outcome, limits: Limits, moment: Moment
) -> None:
    """Settle one attempt of a message that belongs to a run."""
    run = tx.get(Run, message.run.run) if message.run else None
    if run is None:
        _drop(tx, message, delivery, moment)
    elif message.kind == "failure":
        _settle_failure_function(tx, run, message, delivery, outcome, moment)
    elif message.kind == "call" and _is_wanted(run, outcome):
        _settle_call(tx, run, message, delivery, outcome, limits, moment)
    elif run.state != "RUN_STARTED":
        _drop(tx, message, delivery, moment)
    else:
        _settle_delivery(tx, run, message, delivery, outcome, limits, moment)


def _settle_delivery(
    tx: Transaction, run: Run, message: Message, delivery: Delivery, outcome: Outcome, limits: Limits, moment: Moment
) -> None:
    """A delivery of a step or of a call's answer: its endpoint has accepted it, is tried again, or the run fails."""
    refused = run_settle.refusal(message, run, outcome)
    carried = None
    if refused is None and 200 <= outcome.status < 300:
        try:
            carried = run_settle.carried(outcome)
        except Refused as error:
            refused = error.text
            outcome = run_settle.as_refused(outcome, refused)
    settled = settle(message, delivery, outcome, moment, refused=refused, answer_bytes=limits.answer_bytes)
    _write(tx, message, delivery, settled, moment)
    if settled.letter is not None:
        fail_run(tx, run, message, settled.letter, outcome.header("Upstash-Error-Step-Name"), limits, moment)
    elif carried is not None:
        _take_in(tx, run, message, delivery, carried, outcome, limits, moment)


def _take_in(
    tx: Transaction,
    run: Run,
    message: Message,
    delivery: Delivery,
    carried: run_settle.Carried,
    outcome: Outcome,
    limits: Limits,
    moment: Moment,
) -> None:
    """Do what the answer carries, in the transaction that acknowledges its delivery."""
    try:
        for item in carried.submit:
            publication = Publication(
                run.tenant, item.destination.text, item.destination.is_group, item.options, item.body, run.caller_ip
            )
            ingest(tx, publication, limits, moment)
    except Refused as error:
        why = run_settle.not_taken(error)
        again = settle(message, delivery, run_settle.as_refused(outcome, why), moment, refused=why)
        tx.apply(again.changes)
        if again.letter is not None:
            fail_run(tx, tx.get(Run, run.seq) or run, message, again.letter, None, limits, moment)
        return
    if carried.finished:
        end_run(tx, run, "RUN_SUCCESS", limits, moment, result=carried.result)
    elif carried.canceled:
        end_run(tx, run, "RUN_CANCELED", limits, moment)


def _is_wanted(run: Run, outcome: Outcome) -> bool:
    """Whether the answer of a call is of use: to the run, or to who resumes it, for whom a good one is kept."""
    return run.state == "RUN_STARTED" or (run.state == "RUN_FAILED" and 200 <= outcome.status < 300)


def _settle_call(
    tx: Transaction, run: Run, message: Message, delivery: Delivery, outcome: Outcome, limits: Limits, moment: Moment
) -> None:
    """A third-party call: its last answer, good or bad, is what the step gets; it never fails the run by itself.

    Where the run has failed meanwhile, its answer is kept for who resumes it, and nobody is told of it now.
    """
    settled = settle(message, delivery, outcome, moment, answer_bytes=limits.answer_bytes)
    _write(tx, message, delivery, settled, moment)
    if not settled.ended or message.run is None or message.run.callback is None:
        return
    body = run_settle.call_payload(message, outcome, delivery.retried)
    is_told = run.state == "RUN_STARTED"
    seq = moment.new_id() if is_told else message.seq
    identity = f"f{message.run.entry}"
    place(tx, run, Entry(run.seq, identity, seq, "fromCallback", body))
    if not is_told:
        return
    accept(
        tx,
        run_settle.call_result_message(run, message.run.callback, body, identity, limits, moment, seq),
        moment,
    )


def _settle_failure_function(
    tx: Transaction, run: Run, message: Message, delivery: Delivery, outcome: Outcome, moment: Moment
) -> None:
    settled = settle(message, delivery, outcome, moment)
    _write(tx, message, delivery, settled, moment)
    if not settled.ended or (run.failure is not None and run.failure.state == "CALLBACK_CANCELED"):
        return
    if settled.letter is None and outcome.header("Upstash-Workflow-Failure-Callback-Notfound"):
        tx.apply(Changes(put=[replace(run, failure=None)]))
        return
    state: FailureState = "CALLBACK_SUCCESS"
    if settled.letter is not None:
        state = "CALLBACK_FAIL"
    elif not 200 <= outcome.status < 300:
        state = "CALLBACK_CANCELED"  # by the message that calls it, which is therefore not tried again
    failure = FailureFunction(message.seq, state, outcome.status, tuple(outcome.headers), outcome.body)
    tx.apply(Changes(put=[replace(run, failure=failure)]))


def give_up_function(tx: Transaction, message: Message) -> None:
    """The message that calls the failure function of a run was canceled: the function is called no more."""
    run = tx.get(Run, message.run.run) if message.run else None
    function = None if run is None else run.failure
    if run is not None and function is not None and function.message == message.seq:
        tx.apply(Changes(put=[replace(run, failure=replace(function, state="CALLBACK_CANCELED"))]))


def _write(tx: Transaction, message: Message, delivery: Delivery, settled: Settled, moment: Moment) -> None:
    tx.apply(settled.changes)
    if message.flow:
        release(tx, message, delivery, moment, ended=settled.ended)


def _drop(tx: Transaction, message: Message, delivery: Delivery, moment: Moment) -> None:
    """The run has ended meanwhile: what came back is nobody's business any more."""
    tx.apply(Changes(drop=[delivery]))
    if message.flow:
        release(tx, message, delivery, moment, ended=True)
