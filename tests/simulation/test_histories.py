"""Histories of one broker and of several: the laws hold at every step, and all that is meant to happen does.

More of them: `make simulate SEEDS=10000`.
"""

import os
from collections import Counter

import pytest

from simulation.histories import lived

SEEDS = int(os.environ.get("SEEDS", "120"))
SHOWN = 40
HAPPENINGS = (
    "a batch was acknowledged",
    "a batch was refused for what was in it",
    "a broker started",
    "a broker stood still",
    "a broker was cut off",
    "a broker was killed",
    "a broker was taken for dead",
    "a broker was terminated with attempts in flight",
    "a broker was terminated",
    "a bulk cancel was carried on",
    "a bulk cancel was finished",
    "a clock stepped back",
    "a clock stepped forward",
    "a crash came before the sync",
    "a crash came between commit and answer",
    "a dead letter was forgotten",
    "a dead letter was deleted",
    "a dead letter was gone when it was asked for",
    "a dead letter was sent again",
    "a deduplication id was free again",
    "a failed run began again",
    "a job was refused because the store was away",
    "a lane was told to pause",
    "a lane was told to resume",
    "a message ended: CANCELED",
    "a message ended: DELIVERED",
    "a message ended: FAILED",
    "a message waited for its host",
    "a message waited for room",
    "a message waited in the line of a flow",
    "a message waited in the line of a queue",
    "a message was canceled in flight",
    "a message was canceled whose broker was gone",
    "a message was forgotten",
    "a message was known already",
    "a message went to a URL group",
    "a publish was refused",
    "a queue was deleted",
    "a rate was used up",
    "a run was forgotten",
    "a schedule made up for what was missed",
    "a schedule ticked",
    "a schedule told why it could not tick",
    "a schedule was told to delete",
    "a schedule was told to pause",
    "a schedule was told to resume",
    "an answer came when the lease was lost",
    "an attempt failed and was put off",
    "an attempt was broken off, others may take it over",
    "an attempt took too long",
    "an attempt was taken over",
    "an endpoint answered late",
    "an endpoint answered wrongly",
    "an endpoint did its work and the answer was lost",
    "an endpoint gave a run up",
    "an endpoint hung",
    "an endpoint submitted a step twice",
    "an event was forgotten",
    "an unknown lease was found and given back",
    "bodies filled the room they have",
    "many dead letters were begun again",
    "many dead letters were deleted",
    "many dead letters were sent again",
    "runs were canceled in bulk",
    "the store crashed",
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
