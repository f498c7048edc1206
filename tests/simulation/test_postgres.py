"""Histories of several brokers on a real PostgreSQL, statement by statement.

The laws hold, all that is meant to happen does, and each planted fault is found.

More of them: `make simulate SEEDS=10000` lives through a twentieth of so many.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from simulation import planted_rules
from simulation.postgres import planted
from simulation.postgres.aside import Aside
from simulation.postgres.backstage import Backstage
from simulation.postgres.happenings import HAPPENINGS, SELDOM, SHOW_IT
from simulation.postgres.histories import lived
from simulation.postgres.life import ANY, CUT, DEADLOCKS, LETTERS, REPLACED, RUNS, SAME, SILENT, Kind
from simulation.postgres.session import Step
from support.postgres import Server

SEEDS = int(os.environ.get("SEEDS", "80")) // 20
SHOWN = 40
MOST = 200
"""Histories in which a planted fault has to be found; one or two are enough, mostly."""
PLANTED = (
    (planted.reads_that_do_not_lock, " counts ", ANY),
    (planted.claims_that_do_not_lock, "went from one broker to another", ANY),
    (planted.what_is_not_there_is_not_locked, "before it was free", SAME),
    (planted.what_is_not_there_is_not_read_again, "slots, ", ANY),
    (planted.an_own_lease_that_is_believed, "twice|although it is to be canceled", SILENT),
    (planted.letters_that_two_take, "the dead letter of ", LETTERS),
    (planted.a_deadlock_that_is_final, "though the database is there", DEADLOCKS),
    (planted.a_settlement_that_locks_backwards, "and after it by others", ANY),
    (planted.a_retry_that_has_learned_nothing, "has forgotten that it needs", DEADLOCKS),
    (planted.a_retry_that_loses_a_job, "is acknowledged and not on the disk", DEADLOCKS),
    (planted.a_place_without_its_door, "takes the place of", REPLACED),
    (planted.a_take_over_without_its_door, "was taken from a broker that is alive", REPLACED),
    (planted.a_take_over_by_two, "slots, |still to be delivered|from a broker that is alive|a retry without", REPLACED),
    (planted.a_wait_that_two_events_answer, "Waiter is used twice", RUNS),
    (planted.a_wait_whose_time_is_up_twice, "Waiter is used twice", RUNS),
    (planted_rules.a_cancel_that_leaves_a_run_for_ever, "nothing moves wfr_", RUNS),
    (planted.a_run_that_is_not_held, "goes on twice after its step", RUNS),
    (planted.facets_that_are_known_too_early, "are written down nowhere", CUT),
    (planted.an_answer_before_the_commit, "is known to nobody", ANY),
)
"""Faults, the law that has to find each of them (or one of several), and the kind of history in which it can be seen soon."""


@pytest.fixture(scope="module")
def backstage(postgres: Server) -> Iterator[Backstage]:
    """A database for these histories alone."""
    made = Backstage(postgres.fresh())
    yield made
    made.close()


def live(backstage: Backstage, seed: int, met: Counter[str]) -> None:
    """Live through a history in which all laws have to hold; count what happens."""
    history = lived(backstage, seed)
    met.update(history.seen)
    if history.broken:
        pytest.fail(f"seed {seed}: {history.broken}\n" + "\n".join(history.story[-SHOWN:]), pytrace=False)


@pytest.mark.parametrize("first", range(0, SEEDS, 4))
def test_the_laws_hold_at_every_step(first: int, backstage: Backstage, met: Counter[str]) -> None:
    for seed in range(first, min(SEEDS, first + 4)):
        live(backstage, seed, met)


@pytest.mark.timeout(900)
def test_everything_that_can_go_wrong_did(backstage: Backstage, met: Counter[str]) -> None:
    """The counts of the histories above, and of as many others as it takes."""
    for seed in (*SHOW_IT, *range(10_000, 10_000 + MOST)):
        if set(HAPPENINGS) <= set(+met):
            break
        if seed >= SEEDS:
            live(backstage, seed, met)
    assert not set(HAPPENINGS) - set(+met), "this has never happened"
    assert not set(+met) - {*HAPPENINGS, *SELDOM}, "this has happened, and nobody has thought of it"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("fault", "law", "kind"), PLANTED)
def test_a_planted_fault_is_found(
    fault: Callable[[pytest.MonkeyPatch], None],
    law: str,
    kind: Kind,
    backstage: Backstage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    assert any(re.search(law, lived(backstage, seed, kind).broken or "") for seed in range(MOST)), "no seed noticed"


def test_those_who_wait_for_a_row_have_it_in_the_order_in_which_they_came(backstage: Backstage) -> None:
    holder, *waiting = [backstage.take() for _ in range(10)]
    count = "UPDATE counted SET number = number + 1 RETURNING number"
    backstage.run(holder.execute("CREATE TABLE counted AS SELECT 0 AS number"))
    for _ in range(5):
        aside = Aside(backstage)
        backstage.run(holder.execute("BEGIN"))
        before = backstage.run(holder.fetchval(count))
        steps = [_step(one, count) for one in waiting]
        assert not any(aside.run(step) for step in steps)
        backstage.run(holder.execute("COMMIT"))
        assert aside.released() == steps
        assert [step.task.result() - before for step in steps if step.task] == [*range(1, 10)]
    backstage.run(holder.execute("DROP TABLE counted"))
    for one in (holder, *waiting):
        backstage.give(one)


def _step(connection: Any, statement: str) -> Step:
    session: Any = SimpleNamespace(real=connection)
    answer: Any = None
    return Step(session, "fetchval", (statement,), answer)
