"""Faults to be planted in what is done with dead letters, of messages and of runs."""

from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.api import dead_letters as api_letters
from ringback.broker.changes import Changes
from ringback.broker.operations import dead_letters
from ringback.broker.operations.runs import again, letters
from ringback.broker.records import DeadLetter, Message
from ringback.wire.filters import Filter

Patch = pytest.MonkeyPatch


class _Keeping:
    """A transaction that takes no dead letter away."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    def apply(self, changes: Changes) -> None:
        drop = [record for record in changes.drop if not isinstance(record, DeadLetter)]
        self._tx.apply(Changes(put=changes.put, drop=drop, handed=changes.handed))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


def a_letter_that_stays(patch: Patch) -> None:
    """It is sent again, and can be sent once more."""
    retry = dead_letters.retry
    patch.setattr(dead_letters, "retry", lambda tx, *rest: retry(_Keeping(tx), *rest))


def a_letter_that_is_lost(patch: Patch) -> None:
    """It is taken, and its message is not stored."""
    patch.setattr(dead_letters, "accept", lambda *_: None)


def a_letter_without_its_queue(patch: Patch) -> None:
    accept = dead_letters.accept
    patch.setattr(dead_letters, "accept", lambda tx, message, *rest: accept(tx, replace(message, queue=None), *rest))


def a_letter_that_is_not_deleted(patch: Patch) -> None:
    patch.setattr(dead_letters, "delete", lambda *_: None)


def a_filter_that_is_not_looked_at(patch: Patch) -> None:
    """All dead letters are taken, whichever were asked for."""
    find = dead_letters.find
    patch.setattr(dead_letters, "find", lambda tx, tenant, _: find(tx, tenant, Filter()))


def a_page_that_leaves_one_out(patch: Patch) -> None:
    """A page ends with a letter that neither it nor the next one has."""
    find = dead_letters.find

    def shorter(*of: Any) -> Any:
        page = find(*of)
        return dead_letters.Page(page.letters[:-1], page.upto)

    patch.setattr(dead_letters, "find", shorter)


def a_deletion_that_counts_too_much(patch: Patch) -> None:
    """A bulk deletion tells of more than it has deleted."""
    answer = api_letters.json_response

    def more(status: int, value: Any) -> Any:
        counted = value | {"deleted": value["deleted"] + 1} if isinstance(value, dict) and "deleted" in value else value
        return answer(status, counted)

    patch.setattr(api_letters, "json_response", more)


def a_run_letter_that_stays(patch: Patch) -> None:
    """A failed run begins again, and can begin once more."""
    for name in ("resume", "restart"):
        begin = getattr(again, name)
        patch.setattr(again, name, lambda tx, *rest, begin=begin: begin(_Keeping(tx), *rest))


def a_resume_that_forgets(patch: Patch) -> None:
    """What was done is done again."""
    patch.setattr(again, "resume", again.restart)


def a_restart_that_remembers(patch: Patch) -> None:
    patch.setattr(again, "restart", again.resume)


def a_resume_with_a_gap(patch: Patch) -> None:
    """The first result is left out of what the run goes on with."""
    failed = again._failed

    def shorter(*of: Any) -> Any:
        run, entries = failed(*of)
        return run, entries if len(entries) < 3 else [entries[0], *entries[2:]]

    patch.setattr(again, "_failed", shorter)


def a_resume_that_moves_nothing(patch: Patch) -> None:
    """The run is there again, and nothing of it is delivered."""
    patch.setattr(again, "_frontier", lambda *_: set())


def a_page_of_runs_that_leaves_one_out(patch: Patch) -> None:
    find = letters.find

    def shorter(*of: Any) -> Any:
        page = find(*of)
        return dead_letters.Page(page.letters[:-1], page.upto)

    patch.setattr(letters, "find", shorter)


def a_run_filter_that_is_not_looked_at(patch: Patch) -> None:
    """All failed runs are taken, whichever were asked for."""
    find = letters.find
    patch.setattr(letters, "find", lambda tx, tenant, _: find(tx, tenant, Filter()))


def a_message_that_forgets_its_letter(patch: Patch) -> None:
    """One that was in a queue is said not to be known."""
    retry = dead_letters.retry

    def unknown(tx: Any, letter: DeadLetter, *rest: Any) -> Any:
        message = tx.get(Message, letter.message)
        if message is not None and message.queue:
            return None
        return retry(tx, letter, *rest)

    patch.setattr(dead_letters, "retry", unknown)
