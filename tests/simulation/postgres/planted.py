"""Faults to be planted in how brokers share a database: each is harmless as long as one transaction runs after the other."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from ringback.broker.operations import dead_letters, nodes
from ringback.broker.records import ActiveRun, Delivery, Node, Run, Waiter
from ringback.broker.stores.contract import Query
from ringback.broker.stores.postgres import statements, store
from ringback.broker.stores.postgres.transaction import PostgresTransaction
from ringback.broker.stores.rows import CODECS

Patch = pytest.MonkeyPatch
_DOOR = (Node, nodes._DOOR)
_STATEMENTS_LATER = 20


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
    """Two make the same record; the door of those who join is there."""
    door = statements.absent_lock(Node, (nodes._DOOR,))
    only = f"SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k WHERE k = {door}"
    patch.setattr(statements, "LOCK_ABSENT", only)


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


def a_wait_that_two_events_answer(patch: Patch) -> None:
    """Whether a step still waits is not looked at when an event has come to its turn."""
    get = PostgresTransaction.get
    patch.setattr(
        PostgresTransaction, "get", lambda self, kind, *key: self if kind is Waiter else get(self, kind, *key)
    )


def a_wait_whose_time_is_up_twice(patch: Patch) -> None:
    """Waits that have taken too long are not held while their steps go on."""
    claim = PostgresTransaction.claim

    def loose(self: Any, kind: Any, query: Query, *, wait: bool = False) -> Any:
        return self.find(kind, query) if kind is Waiter else claim(self, kind, query, wait=wait)

    patch.setattr(PostgresTransaction, "claim", loose)


def a_run_that_is_not_held(patch: Patch) -> None:
    """Two go on with the same run at once."""
    load, free = statements.load_statement, (Run, ActiveRun)
    patch.setattr(statements, "load_statement", lambda kind, lock: load(kind, lock="none" if kind in free else lock))


class Careless:
    """A transaction of a take-over.

    Args:
        tx: the real one.
        claims: whether it holds what it takes.
    """

    def __init__(self, tx: Any, *, claims: bool = True) -> None:
        self._tx, self._claims = tx, claims

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def get(self, *of: Any) -> Any:
        """Pass the door as if it were open."""
        return None if of == _DOOR else self._tx.get(*of)

    def claim(self, kind: Any, query: Query, *, wait: bool = False) -> Any:
        """Take what is there, long after it was looked who is; or take what was there: others have the time to come."""
        found = self._tx.find(kind, query)
        for _ in range(_STATEMENTS_LATER):
            self._tx.count(Node)
        if self._claims:
            return self._tx.claim(kind, query, wait=wait)
        self._tx._known.update({(kind, CODECS[kind].key(one)): one for one in found})
        return found


def a_take_over_without_its_door(patch: Patch) -> None:
    """Brokers join while the leases of those that are gone are taken back."""
    recover = nodes.recover
    patch.setattr(nodes, "recover", lambda tx, most, moment: recover(Careless(tx), most, moment))  # type: ignore[arg-type]


def a_take_over_by_two(patch: Patch) -> None:
    """Two brokers take back the same leases at once."""
    recover = nodes.recover
    patch.setattr(nodes, "recover", lambda tx, *of: recover(Careless(tx, claims=False), *of))  # type: ignore[arg-type]


def a_place_without_its_door(patch: Patch) -> None:
    """Two brokers join at once."""
    join = nodes.join
    patch.setattr(nodes, "join", lambda tx, *of, **more: join(Careless(tx), *of, **more))  # type: ignore[arg-type]


def a_settlement_that_locks_backwards(patch: Patch) -> None:
    """One job takes its locks in another order than all others."""
    load = PostgresTransaction.load

    def backwards(self: Any, needs: Any) -> None:
        needs = list(needs)
        if all(kind is not Delivery for kind, _ in needs):
            load(self, needs)
        for need in sorted(needs, key=lambda need: (need[0].__name__, need[1]), reverse=True):
            load(self, [need])

    patch.setattr(PostgresTransaction, "load", backwards)


def a_retry_that_has_learned_nothing(patch: Patch) -> None:
    """A transaction that is tried again asks for its records in the order that has led into the deadlock."""
    load = PostgresTransaction.load

    def forgetful(self: Any, needs: Any) -> None:
        try:
            load(self, needs)
        finally:
            self.asked.clear()

    patch.setattr(PostgresTransaction, "load", forgetful)


def a_retry_that_loses_a_job(patch: Patch) -> None:
    """What the first job of a batch has answered before the deadlock is taken for its answer."""
    run = store.PostgresStore._run_jobs
    answered: dict[Any, Any] = {}

    def lossy(self: Any, tx: Any, batch: list[Any], needs: Sequence[Any]) -> Any:
        job = batch[0]

        def once(tx: Any) -> Any:
            if job.future not in answered:
                answered[job.future] = job.run(tx)
            return answered[job.future]

        return run(self, tx, [job._replace(run=once), *batch[1:]], needs)

    patch.setattr(store.PostgresStore, "_run_jobs", lossy)
