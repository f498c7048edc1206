"""Histories of several brokers on a real PostgreSQL, statement by statement.

The laws hold, all that is meant to happen does, and each planted fault is found.

More of them: `make simulate SEEDS=10000` lives through a twentieth of so many.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from simulation.postgres import planted
from simulation.postgres.backstage import Backstage
from simulation.postgres.happenings import HAPPENINGS, SELDOM, SHOW_IT
from simulation.postgres.histories import lived
from support.postgres import Server

SEEDS = int(os.environ.get("SEEDS", "80")) // 20
SHOWN = 40
MOST = 200
"""Histories in which a planted fault has to be found."""
PLANTED = (
    (planted.reads_that_do_not_lock, " counts ", 0),
    (planted.claims_that_do_not_lock, "went from one broker to another", 0),
    (planted.what_is_not_there_is_not_locked, "before it was free", 13),
    (planted.what_is_not_there_is_not_read_again, "slots, ", 0),
    (planted.an_own_lease_that_is_believed, "twice", 8),
    (planted.letters_that_two_take, "the dead letter of ", 5),
    (planted.a_deadlock_that_is_final, "though the database is there", 9),
    (planted.a_settlement_that_locks_backwards, "and after it by others", 0),
    (planted.a_retry_that_has_learned_nothing, "has forgotten that it needs", 0),
    (planted.a_retry_that_loses_a_job, "is acknowledged and not on the disk", 5),
    (planted.a_place_without_its_door, "takes the place of", 1),
    (planted.a_take_over_without_its_door, "was taken from a broker that is alive", 51),
    (planted.a_take_over_by_two, "counts a retry without an attempt", 27),
    (planted.a_wait_that_two_events_answer, "Waiter is used twice", 1),
    (planted.a_wait_whose_time_is_up_twice, "Waiter is used twice", 0),
    (planted.a_run_that_is_not_held, "goes on twice after its step", 41),
    (planted.facets_that_are_known_too_early, "are written down nowhere", 17),
    (planted.an_answer_before_the_commit, "is known to nobody", 0),
)
"""Faults, the law that has to find each of them, and the seed to look at first."""


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


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("fault", "law", "first"), PLANTED)
def test_a_planted_fault_is_found(
    fault: Callable[[pytest.MonkeyPatch], None],
    law: str,
    first: int,
    backstage: Backstage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    assert any(law in (lived(backstage, seed).broken or "") for seed in (first, *range(MOST))), "no seed noticed"
