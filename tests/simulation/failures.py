"""Laws of failure functions: called in the transaction in which a run fails, and what becomes of that changes nothing else."""

from collections import Counter

from ringback.broker.records import Event, FailureFunction, Message, Record, Run
from ringback.broker.stores.memory import Rows
from simulation.book import Book
from simulation.known import Known
from simulation.verdict import hold

_ENDED_AS = {
    "DELIVERED": ("CALLBACK_SUCCESS", "CALLBACK_CANCELED", None),
    "FAILED": ("CALLBACK_FAIL", "CALLBACK_CANCELED"),
    "CANCELED": ("CALLBACK_CANCELED",),
}
"""What a function may be said to have come to, by how the message ended that called it."""


class Failures(Book):
    """Holds what becomes of the failure function of each run against what else a transaction has written.

    Args:
        rows: the durable records.
        known: what was asked for.
        seen: how often what has happened.
    """

    def __init__(self, rows: Rows, known: Known, seen: Counter[str]) -> None:
        self._rows = rows
        self._known = known
        self._seen = seen
        self._failed: set[int] = set()
        self._before: dict[int, FailureFunction | None] = {}
        self._calls: dict[int, int] = {}
        self._ended: dict[int, str] = {}

    def put(self, before: Record | None, record: Record) -> None:
        if isinstance(record, Run) and isinstance(before, Run):
            self._goes_on(before, record)
        elif isinstance(record, Message) and before is None and record.kind == "failure" and record.run is not None:
            self._calls[record.seq] = record.run.run
        elif isinstance(record, Event) and before is None and record.state in _ENDED_AS:
            self._ended[record.message] = record.state

    def close(self) -> None:
        for seq in self._failed:
            self._is_called(self._run(seq))
        for message, seq in self._calls.items():
            self._is_asked_for(message, self._run(seq))
        for seq, before in self._before.items():
            self._has_changed(before, self._run(seq))
        self._failed, self._before, self._calls, self._ended = set(), {}, {}, {}

    def _goes_on(self, before: Run, record: Run) -> None:
        hold(before.state in ("RUN_STARTED", record.state), f"{record.run_id} was {before.state} and is {record.state}")
        if before.state != record.state == "RUN_FAILED":
            self._failed.add(record.seq)
        if before.failure != record.failure:
            self._before.setdefault(record.seq, before.failure)

    def _is_called(self, run: Run) -> None:
        """A run fails: the call of its function is written with that, if it has one, and nothing else."""
        calls = [message for message, seq in self._calls.items() if seq == run.seq]
        wanted = int(run.options.failure_callback is not None)
        hold(len(calls) == wanted, f"{run.run_id} has failed, and its failure function has {len(calls)} calls")
        self._seen["a run failed that has a failure function"] += wanted

    def _is_asked_for(self, message: int, run: Run) -> None:
        """A function is called because its run fails, or by somebody who wishes it: then it has failed before."""
        hold(
            run.failure and run.failure.message == message, f"{run.run_id} does not know who calls its failure function"
        )
        if run.seq in self._failed:
            return
        before = self._before.get(run.seq)
        hold(run.seq in self._known.functions_again, f"the failure function of {run.run_id} is called again unasked")
        hold(before and before.state == "CALLBACK_FAIL", f"the failure function of {run.run_id} is called twice")
        self._seen["a failure function was called again"] += 1

    def _has_changed(self, before: FailureFunction | None, run: Run) -> None:
        """How a function ended is written with the end of the message that called it, or because it is given up."""
        if before is None or before.state != "CALLBACK_INPROGRESS":
            return  # it is called, or was given up and has ended all the same
        state = None if run.failure is None else run.failure.state
        if state == "CALLBACK_CANCELED":
            hold(run.seq in self._known.functions_given_up, f"the failure function of {run.run_id} is given up unasked")
            self._seen["a failure function was given up"] += 1
            return
        end = self._ended.get(before.message, "has not ended")
        hold(state in _ENDED_AS.get(end, ()), f"the failure function of {run.run_id} is {state}, and its call {end}")
        is_missing = before.message in self._known.without_function
        hold(state is not None or is_missing, f"{run.run_id} has forgotten its failure function")
        self._seen["a failure function failed for good"] += state == "CALLBACK_FAIL"

    def _run(self, seq: int) -> Run:
        run = self._rows[Run].get((seq,))
        hold(run, f"a failure function is called of {seq:x}, which nobody knows")
        assert isinstance(run, Run)
        return run
