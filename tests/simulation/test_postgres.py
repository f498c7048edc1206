"""Histories of several brokers on a real PostgreSQL, statement by statement: the laws hold, and each planted fault is found.

More of them: `make simulate SEEDS=10000` lives through a twentieth of so many.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from simulation.postgres import planted
from simulation.postgres.backstage import Backstage
from simulation.postgres.histories import lived
from support.postgres import Server

SEEDS = int(os.environ.get("SEEDS", "80")) // 20
SHOWN = 40
MOST = 200
"""Histories in which a planted fault has to be found."""
PLANTED = (
    (planted.reads_that_do_not_lock, "waiting, 4 are", 0),
    (planted.claims_that_do_not_lock, "went from one broker to another", 0),
    (planted.what_is_not_there_is_not_locked, "wide counts", 7),
    (planted.what_is_not_there_is_not_read_again, "slots, 2 are taken", 1),
    (planted.an_own_lease_that_is_believed, "ends twice", 0),
    (planted.letters_that_two_take, "is used twice", 0),
    (planted.a_deadlock_that_is_final, "though the database is there", 14),
    (planted.facets_that_are_known_too_early, "are written down nowhere", 9),
    (planted.an_answer_before_the_commit, "is known to nobody", 0),
)
"""Faults, the law that has to find each of them, and the seed to look at first."""


@pytest.fixture(scope="module")
def backstage(postgres: Server) -> Iterator[Backstage]:
    """A database for these histories alone."""
    made = Backstage(postgres.fresh())
    yield made
    made.close()


@pytest.mark.parametrize("first", range(0, SEEDS, 4))
def test_the_laws_hold_at_every_step(first: int, backstage: Backstage, met: Counter[str]) -> None:
    for seed in range(first, min(SEEDS, first + 4)):
        history = lived(backstage, seed)
        met.update(history.seen)
        if history.broken:
            pytest.fail(f"seed {seed}: {history.broken}\n" + "\n".join(history.story[-SHOWN:]), pytrace=False)


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
