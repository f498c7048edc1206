"""Faults to be planted in how brokers share a database: each is harmless as long as one transaction runs after the other."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from ringback.broker.operations import dead_letters
from ringback.broker.stores.contract import Query
from ringback.broker.stores.postgres import statements, store
from ringback.broker.stores.postgres.transaction import PostgresTransaction

Patch = pytest.MonkeyPatch


def reads_that_do_not_lock(patch: Patch) -> None:
    """Without FOR UPDATE two count on from the same number."""
    load = statements.load_statement
    patch.setattr(statements, "load_statement", lambda kind, lock: load(kind, lock="none"))


def claims_that_do_not_lock(patch: Patch) -> None:
    """Without FOR UPDATE SKIP LOCKED two begin what is due."""

    def claim(self: Any, kind: Any, query: Query, *, wait: bool = False) -> Any:
        return self.find(kind, query)

    patch.setattr(PostgresTransaction, "claim", claim)


def what_is_not_there_is_not_locked(patch: Patch) -> None:
    """Two make the same record."""
    patch.setattr(statements, "LOCK_ABSENT", "SELECT 1 WHERE $1::bigint[] IS NULL")


def what_is_not_there_is_not_read_again(patch: Patch) -> None:
    """Who has waited for another that makes the same record does not see it."""
    load = PostgresTransaction._load

    def once(self: Any, kind: Any, keys: Any, lock: Any) -> Any:
        return load(self, kind, keys, lock) if lock != "at once" else keys

    patch.setattr(PostgresTransaction, "_load", once)


def an_own_lease_that_is_believed(patch: Patch) -> None:
    """What a broker remembers of its leases is not held against what stands in the database."""

    def believe(self: Any, drops: Any, *_: Any) -> Any:
        self.assumed.clear()
        return drops

    patch.setattr(PostgresTransaction, "_drop_assumed", believe)


def letters_that_two_take(patch: Patch) -> None:
    """Whether a dead letter is still there is not looked at when it is taken."""
    patch.setattr(dead_letters, "still_there", lambda _, page: page)


def a_deadlock_that_is_final(patch: Patch) -> None:
    """A transaction that was in a deadlock is not tried again."""
    patch.setattr(store, "_IN_THE_WAY", (asyncpg.SerializationError,))


def an_answer_before_the_commit(patch: Patch) -> None:
    """Callers are answered, and attempts handed over, before what they rest on is durable."""
    run = store.PostgresStore._run_jobs

    def early(self: Any, tx: Any, batch: list[Any], needs: Sequence[Any]) -> Any:
        answers = run(self, tx, batch, needs)
        self._settle(tx, answers)
        return answers

    patch.setattr(store.PostgresStore, "_run_jobs", early)


def facets_that_are_known_too_early(patch: Patch) -> None:
    """That facets are written down is remembered although their transaction was given up."""
    flush = PostgresTransaction.flush

    def hasty(self: Any, *, last: bool = False) -> None:
        self._buffer._known.learn(self.noted)
        flush(self, last=last)

    patch.setattr(PostgresTransaction, "flush", hasty)
