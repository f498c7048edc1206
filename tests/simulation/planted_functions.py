"""Faults to be planted in how the failure functions of runs are called."""

from typing import Any

import pytest

from ringback.broker.changes import Changes
from ringback.broker.operations.runs import end
from ringback.broker.operations.runs import settle as run_settling
from ringback.broker.records import FailureFunction

Patch = pytest.MonkeyPatch


def a_failure_function_that_is_not_called(patch: Patch) -> None:
    """A run fails, and its function is said to be in progress."""
    patch.setattr(end, "accept", lambda *_: None)


def a_failure_function_with_a_dead_letter(patch: Patch) -> None:
    """A function that fails is a failure of its own, as if another run had failed."""
    write = run_settling._write

    def with_letter(tx: Any, message: Any, delivery: Any, settled: Any, moment: Any) -> None:
        write(tx, message, delivery, settled, moment)
        if message.kind == "failure" and settled.letter is not None:
            tx.apply(Changes(put=[settled.letter]))

    patch.setattr(run_settling, "_write", with_letter)


def a_failure_function_that_always_succeeds(patch: Patch) -> None:
    def succeeded(message: int, _: str, *answer: Any) -> FailureFunction:
        return FailureFunction(message, "CALLBACK_SUCCESS", *answer)

    patch.setattr(run_settling, "FailureFunction", succeeded)


def a_failure_function_that_never_ends(patch: Patch) -> None:
    """Its call has ended, and nobody has written down for what."""
    settle = run_settling._settle_failure_function

    class Forgetful:
        """A transaction that writes down the end of the message only."""

        def __init__(self, tx: Any) -> None:
            self._tx = tx

        def apply(self, changes: Changes) -> None:
            if changes.drop or len(changes.put) != 1 or type(changes.put[0]).__name__ != "Run":
                self._tx.apply(changes)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tx, name)

    patch.setattr(run_settling, "_settle_failure_function", lambda tx, *rest: settle(Forgetful(tx), *rest))


def a_failure_function_that_keeps_its_slot(patch: Patch) -> None:
    """A slot of a flow-control key is not given back when a function has been called."""
    write = run_settling._write

    def kept(tx: Any, message: Any, delivery: Any, settled: Any, moment: Any) -> None:
        if message.kind == "failure":
            tx.apply(settled.changes)
        else:
            write(tx, message, delivery, settled, moment)

    patch.setattr(run_settling, "_write", kept)
