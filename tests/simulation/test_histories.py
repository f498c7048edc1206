"""Histories of one broker and of several: the laws hold at every step, and all that is meant to happen does.

More of them: `make simulate SEEDS=10000`.
"""

import asyncio
import os
from collections import Counter

import pytest

from simulation import happenings, virtual
from simulation.histories import lived

SEEDS = int(os.environ.get("SEEDS", "300"))
SHOWN = 40
HAPPENINGS = (
    *happenings.HAPPENINGS,
    "a crash came before the sync",
    "a dead letter was forgotten",
    "a deduplication id was free again",
    "a failure function failed for good",
    "a failure function was called again",
    "a failure function was called",
    "a failure function was given up",
    "a job was refused because the store was away",
    "a run failed that has a failure function",
    "a schedule made up for what was missed",
    "an answer came when the lease was lost",
    "many dead letters were begun again",
)
"""What has to happen in the histories of a test run; nothing else is counted."""


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_the_laws_hold_on_every_node_at_every_step(first: int, happened: Counter[str]) -> None:
    for seed in range(first, min(SEEDS, first + 20)):
        history = lived(seed)
        happened.update(history.seen)
        if history.broken:
            pytest.fail(f"seed {seed}: {history.broken}\n" + "\n".join(history.story[-SHOWN:]), pytrace=False)


def test_everything_that_can_go_wrong_did(happened: Counter[str]) -> None:
    """The counts of the histories above; where only some of them were asked for, as many as it takes."""
    for seed in range(10_000, 10_400):
        if set(HAPPENINGS) <= set(+happened):
            break
        happened.update(lived(seed).seen)
    assert set(+happened) == set(HAPPENINGS)


def test_a_seed_is_one_history_exactly() -> None:
    for seed in range(4):
        once, again = lived(seed), lived(seed)
        assert (once.story, once.seen) == (again.story, again.seen)


def test_what_begins_because_something_ends_does_not_outlive_a_history() -> None:
    begun: list[asyncio.Task[None]] = []

    def begin(_: object = None) -> None:
        if len(begun) < 3:
            begun.append(asyncio.get_running_loop().create_task(asyncio.sleep(1)))
            begun[-1].add_done_callback(begin)

    async def main() -> None:
        begin()

    virtual.run(main())
    assert [task.cancelled() for task in begun] == [True] * 3
