"""Dead letters of runs: look, delete, resume, restart, the failure function again (workflow protocol 3.5)."""

from collections.abc import Callable
from dataclasses import replace

from ringback.broker.api import run_shapes
from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.letters import (
    changed_options,
    in_asked_order,
    known_letter,
    next_cursor,
    not_found,
    walk_cursor,
    walked,
)
from ringback.broker.api.shapes import Shape
from ringback.broker.operations import dead_letters
from ringback.broker.operations.runs import again, letters
from ringback.broker.records import DeadLetter, Entry, FailureState, Message, Run
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_quotas
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused
from ringback.wire.filters import RUN_LETTER_FIELDS, read_filter
from ringback.wire.http import Response
from ringback.wire.options import Options

_FAILED: FailureState = "CALLBACK_FAIL"
_Again = Callable[[Transaction, DeadLetter, Options, Limits, Moment], Run]


def list_all(call: Call) -> Answer:
    """List runs that failed for good."""
    filter_ = read_filter(call.query(), b"", fields=RUN_LETTER_FIELDS, strict=False)

    def job(tx: Transaction) -> Response:
        page = letters.find(tx, call.tenant.name, filter_)
        shown = [shape for letter in page.letters if (shape := _shape(tx, letter)) is not None]
        return json_response(200, {"cursor": next_cursor(page), "messages": shown})

    return call.desk.read(job)


def get(call: Call) -> Answer:
    """Show a failed run."""

    def job(tx: Transaction) -> Response:
        shape = _shape(tx, _letter_of_run(call, tx))
        if shape is None:
            raise not_found(call)
        return json_response(200, shape)

    return call.desk.read(job)


def delete(call: Call) -> Answer:
    """Forget a failed run."""

    def job(tx: Transaction, _: Moment) -> Response:
        dead_letters.delete(tx, [_letter_of_run(call, tx)])
        return json_response(200, {})

    return call.desk.write(job)


def delete_many(call: Call) -> Answer:
    """Forget failed runs by ids or filters, a page at a time."""
    filter_ = read_filter(call.query(), call.request.body, fields=RUN_LETTER_FIELDS, strict=True)

    def job(tx: Transaction, _: Moment) -> Response:
        page = dead_letters.still_there(tx, letters.find(tx, call.tenant.name, filter_))
        dead_letters.delete(tx, page.letters)
        return json_response(200, {"deleted": len(page.letters), "cursor": next_cursor(page)})

    return call.desk.write(job)


def resume(call: Call) -> Answer:
    """Go on with a failed run where it failed, as a new run."""
    return _one(call, again.resume)


def restart(call: Call) -> Answer:
    """Run a failed run again from the start, as a new run."""
    return _one(call, again.restart)


def resume_many(call: Call) -> Answer:
    """Go on with failed runs where they failed, as new runs."""
    return _many(call, again.resume)


def restart_many(call: Call) -> Answer:
    """Run failed runs again from the start, as new runs."""
    return _many(call, again.restart)


def rerun_failure_function(call: Call) -> Answer:
    """Call the failure function of a failed run again."""

    def job(tx: Transaction, moment: Moment) -> Response:
        run = again.rerun_failure_function(tx, _letter_of_run(call, tx), call.settings.limits, moment)
        return json_response(200, _started(run))

    return call.desk.write_anyhow(job)


def rerun_failure_functions(call: Call) -> Answer:
    """Call the failure functions of failed runs again, by ids or filters, a page at a time: of those whose own has failed."""
    filter_ = read_filter(call.query(), call.request.body, fields=RUN_LETTER_FIELDS, strict=True)
    if set(filter_.failure_states) - {_FAILED}:
        raise Refused(
            400, f"invalid filter failureFunctionState: only functions in state {_FAILED} can be called again"
        )
    filter_ = replace(filter_, failure_states=(_FAILED,))

    def job(tx: Transaction, moment: Moment) -> Response:
        walk = walked(filter_, tx)
        page = dead_letters.still_there(tx, letters.find(tx, call.tenant.name, walk))
        if filter_.ids and not page.letters:
            raise Refused(404, f"none of the {len(filter_.ids)} dead letters was found")
        failed = [letter for letter in in_asked_order(page, filter_) if _function_failed(tx, letter)]
        runs = [again.rerun_failure_function(tx, letter, call.settings.limits, moment) for letter in failed]
        return json_response(200, {"cursor": walk_cursor(page, walk), "workflowRuns": [_started(run) for run in runs]})

    return call.desk.write_anyhow(job)


def _function_failed(tx: Transaction, letter: DeadLetter) -> bool:
    run = tx.get(Run, letter.run)
    return run is not None and run.failure is not None and run.failure.state == _FAILED


def cancel_failure_function(call: Call) -> Answer:
    """Give up the failure function of a failed run; answers 302, as the reference does."""

    def job(tx: Transaction, moment: Moment) -> Response:
        again.cancel_failure_function(tx, _letter_of_run(call, tx), moment)
        return json_response(302, {})

    return call.desk.write_anyhow(job)


def _changed(call: Call) -> Options:
    changed = changed_options(call)
    check_quotas(changed, b"", call.settings.limits, call.desk.clock())
    return changed


def _one(call: Call, begin: _Again) -> Answer:
    changed = _changed(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        run = begin(tx, _letter_of_run(call, tx), changed, call.settings.limits, moment)
        return json_response(200, _started(run))

    return call.desk.write_anyhow(job)


def _many(call: Call, begin: _Again) -> Answer:
    filter_ = read_filter(call.query(), call.request.body, fields=RUN_LETTER_FIELDS, strict=True)
    changed = _changed(call)

    def job(tx: Transaction, moment: Moment) -> Response:
        walk = walked(filter_, tx)
        page = dead_letters.still_there(tx, letters.find(tx, call.tenant.name, walk))
        if filter_.ids and len(page.letters) < len(set(filter_.ids)):
            raise Refused(404, "some of the dead letters were not found")
        runs = [begin(tx, letter, changed, call.settings.limits, moment) for letter in in_asked_order(page, filter_)]
        return json_response(200, {"cursor": walk_cursor(page, walk), "workflowRuns": [_started(run) for run in runs]})

    return call.desk.write_anyhow(job)


def _started(run: Run) -> dict[str, object]:
    return {"workflowRunId": run.run_id, "workflowCreatedAt": run.created_at}


def _shape(tx: Transaction, letter: DeadLetter) -> Shape | None:
    message, run = tx.get(Message, letter.message), tx.get(Run, letter.run)
    if message is None or run is None or message.run is None:
        return None
    entry = tx.get(Entry, run.seq, message.run.entry)
    return run_shapes.dead_letter(letter, message, run, entry.body if entry else message.body)


def _letter_of_run(call: Call, tx: Transaction) -> DeadLetter:
    letter = known_letter(call, tx)
    if not letter.run:
        raise Refused(400, "this dead letter is not of a workflow run")
    return letter
