"""Each planted fault is found, with one broker and with several, wherever it can do harm at all."""

from collections.abc import Callable
from itertools import cycle

import pytest

from simulation import planted_engine, planted_functions, planted_letters, planted_owners, planted_rules
from simulation.histories import Disturb, lived
from simulation.world import World

ONE, SEVERAL = (1, True), (3, False)
EVERYWHERE = (
    (planted_rules.a_lane_count_that_leaks, "slots, 0 are taken"),
    (planted_rules.a_line_that_forgets, "waiting, "),
    (planted_rules.a_double_append, "has 5 entries"),
    (planted_rules.a_place_that_is_left_out, "has the places"),
    (planted_engine.a_callback_outside_the_transaction, "nobody is told"),
    (planted_rules.a_failure_without_a_dead_letter, "do not belong together"),
    (planted_rules.a_retry_that_is_not_counted, "nothing had happened to its broker"),
    (planted_rules.a_retry_that_keeps_its_lease, "counts a retry without an attempt"),
    (planted_rules.one_attempt_too_many, "is attempted 4 times, at most 3"),
    (planted_rules.an_end_that_is_written_twice, "ends twice"),
    (planted_engine.an_end_without_an_attempt, "was never attempted"),
    (planted_rules.a_cancel_that_takes_nothing_away, "has ended and is still to be delivered"),
    (planted_engine.a_cancel_that_is_forgotten_with_its_broker, "although it is to be canceled"),
    (planted_rules.a_cancel_that_leaves_a_run_for_ever, "nothing moves wfr_"),
    (planted_rules.a_line_that_is_served_from_its_end, "in the line of alone"),
    (planted_rules.a_key_that_is_overtaken, "in the line of slow"),
    (planted_rules.a_head_that_does_not_block, "that have not ended, at most 1"),
    (planted_rules.a_pause_that_is_ignored, "which is paused"),
    (planted_rules.a_limit_that_is_one_too_high, "which is full"),
    (planted_engine.a_request_that_is_sent_twice, "was sent 2 times, leased 1 times"),
    (planted_engine.a_body_that_is_cut, "something else than was published"),
    (planted_engine.a_number_of_retries_that_is_late, "was sent as retry 0"),
    (planted_engine.a_host_that_is_overrun, "requests to one host at once"),
    (planted_engine.a_broker_that_takes_too_much, "a broker makes "),
    (planted_rules.a_step_that_is_dropped, "nothing moves "),
    (planted_rules.a_due_message_that_is_dropped, "was acknowledged and is lost"),
    (planted_rules.a_retry_that_comes_in_a_day, "messages never ended"),
    (planted_rules.a_run_that_gives_up_at_once, "is RUN_FAILED"),
    (planted_engine.a_turn_that_breaks_off, "broke off"),
)
OF_OWNERS = (
    (planted_owners.a_tick_that_comes_twice, "ticks again for a tick"),
    (planted_owners.a_tick_without_its_message, "makes nothing of it"),
    (planted_owners.a_tick_that_is_too_early, "ms too early"),
    (planted_owners.a_schedule_that_does_not_pause, "is paused and waits for a tick"),
    (planted_owners.a_schedule_that_is_not_deleted, "ticks, and was deleted"),
    (planted_owners.a_schedule_that_forgets_to_go_on, "leaves a tick out"),
    (planted_owners.an_endpoint_that_is_left_out, "went to "),
    (planted_owners.a_batch_without_what_is_wrong_in_it, "was refused and is accepted"),
    (planted_owners.a_batch_in_two_parts, "without the rest of its batch"),
    (planted_owners.an_id_that_is_not_looked_at, "was accepted although"),
    (planted_owners.an_id_that_is_taken_too_long, "is not taken for its window"),
    (planted_owners.an_id_that_is_taken_again, "ms before it was free"),
    (planted_owners.a_rate_that_is_not_counted, "starts, there were"),
    (planted_owners.a_rate_that_is_one_too_high, "were begun in a period, at most 2"),
    (planted_owners.a_period_that_is_too_short, "before the last one is over"),
    (planted_owners.a_history_that_is_too_short, "an event was forgotten after"),
    (planted_owners.a_pending_message_that_is_forgotten, "was forgotten and has not ended"),
    (planted_owners.a_history_that_is_kept, "ms old and still there"),
    (planted_owners.a_cancel_that_counts_too_much, "a bulk cancel counts"),
    (planted_owners.a_cancel_that_leaves_some_out, "was to be canceled with many others"),
    (planted_owners.a_queue_that_is_not_emptied, "which was deleted"),
    (planted_owners.a_queue_that_goes_on_while_it_is_deleted, "which is being deleted"),
    (planted_owners.runs_that_are_left_out, "was to be canceled with others"),
    (planted_owners.a_cancel_that_takes_all, "nobody has asked for it"),
)
OF_LETTERS = (
    (planted_letters.a_letter_that_stays, "its dead letter is not taken"),
    (planted_letters.a_letter_that_is_lost, "was deleted and nobody has asked for it"),
    (planted_letters.a_letter_without_its_queue, "is sent again as something else"),
    (planted_letters.a_letter_that_is_not_deleted, "was taken and is there"),
    (planted_letters.a_message_that_forgets_its_letter, "is there and was not found"),
    (planted_letters.a_filter_that_is_not_looked_at, "nobody has asked for it"),
    (planted_letters.a_page_that_leaves_one_out, "with others, and is there"),
    (planted_letters.a_deletion_that_counts_too_much, "dead letters were deleted by what was answered"),
    (planted_letters.a_run_letter_that_stays, "and no dead letter of it is taken"),
    (planted_letters.a_resume_that_forgets, "resume: it began with 1 of "),
    (planted_letters.a_restart_that_remembers, "restart: it began with "),
    (planted_letters.a_resume_with_a_gap, "begins with something else than its run had"),
    (planted_letters.a_resume_that_moves_nothing, "nothing moves wfr_again"),
    (planted_letters.a_page_of_runs_that_leaves_one_out, "with others, and is there"),
    (planted_letters.a_run_filter_that_is_not_looked_at, "nobody has asked for it"),
)
OF_FUNCTIONS = (
    (planted_functions.a_failure_function_that_is_not_called, "and its failure function has 0 calls"),
    (planted_functions.a_failure_function_with_a_dead_letter, "do not belong together"),
    (planted_functions.a_failure_function_that_always_succeeds, "is CALLBACK_SUCCESS, and its call FAILED"),
    (planted_functions.a_failure_function_that_never_ends, "has never ended"),
    (planted_functions.a_failure_function_that_keeps_its_slot, "slots, 0 are taken"),
)
"""Faults that need no other broker, half of them planted in several all the same."""
AMONG_SEVERAL = (
    (planted_rules.a_cancel_of_many_that_leaves_their_runs, "nothing moves wfr_", 0),
    (planted_owners.a_slot_that_is_given_to_a_stranger, "are taken", 40),
    (planted_engine.a_lost_lease_that_still_settles, "went from one broker to another", 21),
    (planted_engine.a_fence_that_is_open, "is attempted twice at once", 6),
    (planted_engine.a_fence_that_is_open, "an endpoint sees 2 requests of slow at once, at most 1", 0),
    (planted_engine.a_wait_that_outlives_its_lease, "was sent without a lease", 36),
    (planted_engine.a_wait_that_outlives_its_lease, "was delivered after its end was recorded", 18),
    (planted_engine.a_drain_without_a_sign_of_life, "was well and was taken for dead", 8),
    (planted_engine.a_patience_that_is_too_short, "was well and was taken for dead", 2),
    (planted_engine.an_orphan_that_is_none, "was taken from a broker that is alive", 0),
    (planted_engine.a_lease_that_is_thought_lost, "nothing had happened to its broker", 1),
    (planted_engine.numbers_that_are_far_apart, "which was enqueued before", 32),
    (planted_engine.an_attempt_that_is_let_go_of_too_early, "has forgotten that it attempts it", 34),
)
"""Faults that need another broker which takes over, or are rare; and the seed to look at first, for those that few notice."""
FIRST = {
    (planted_engine.a_cancel_that_is_forgotten_with_its_broker, SEVERAL): 11,
    (planted_engine.an_end_without_an_attempt, SEVERAL): 125,
    (planted_functions.a_failure_function_that_always_succeeds, SEVERAL): 12,
    (planted_letters.a_deletion_that_counts_too_much, SEVERAL): 7,
    (planted_letters.a_filter_that_is_not_looked_at, SEVERAL): 12,
    (planted_letters.a_page_of_runs_that_leaves_one_out, SEVERAL): 12,
    (planted_letters.a_resume_that_forgets, SEVERAL): 13,
    (planted_letters.a_resume_with_a_gap, SEVERAL): 13,
    (planted_letters.a_run_filter_that_is_not_looked_at, ONE): 186,
    (planted_owners.a_cancel_that_leaves_some_out, SEVERAL): 5,
    (planted_owners.a_history_that_is_kept, SEVERAL): 4,
    (planted_owners.a_queue_that_goes_on_while_it_is_deleted, SEVERAL): 5,
    (planted_owners.a_schedule_that_forgets_to_go_on, SEVERAL): 46,
    (planted_rules.a_head_that_does_not_block, SEVERAL): 11,
    (planted_rules.a_key_that_is_overtaken, SEVERAL): 15,
}
"""The seed to look at first, for faults that few histories notice."""
CASES = [
    *(
        pytest.param(*case, FIRST.get((case[0], kind), 0), kind, id=f"{case[0].__name__}-{kind[0]}")
        for case, kind in zip(OF_OWNERS + OF_LETTERS + OF_FUNCTIONS, cycle((ONE, SEVERAL)), strict=False)
    ),
    *(
        pytest.param(*case, FIRST.get((case[0], kind), 0), kind, id=f"{case[0].__name__}-{kind[0]}")
        for case in EVERYWHERE
        for kind in (ONE, SEVERAL)
    ),
    *(pytest.param(*case, SEVERAL, id=f"{case[0].__name__}-3-{number}") for number, case in enumerate(AMONG_SEVERAL)),
]


def is_found(law: str, kind: tuple[int, bool], first: int, disturb: Disturb = lambda _: None) -> bool:
    """Whether a history of the first few hundred breaks a law that says this."""
    return any(law in (lived(seed, kind, disturb).broken or "") for seed in (first, *range(300)))


@pytest.mark.parametrize(("bug", "law", "first", "kind"), CASES)
def test_a_planted_fault_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    law: str,
    first: int,
    kind: tuple[int, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bug(monkeypatch)
    assert is_found(law, kind, first), "no seed noticed"


def answering_before_the_sync(world: World) -> None:
    world.disk.early = True


def handing_over_before_the_sync(world: World) -> None:
    world.disk.hasty = True


@pytest.mark.parametrize("kind", [ONE, SEVERAL], ids=["1", "3"])
@pytest.mark.parametrize(
    ("disturb", "law"),
    [
        (answering_before_the_sync, "is acknowledged and not on the disk"),
        (handing_over_before_the_sync, "is known to nobody"),
    ],
)
def test_what_is_told_before_the_sync_is_found(disturb: Disturb, law: str, kind: tuple[int, bool]) -> None:
    assert is_found(law, kind, 0, disturb), "no seed noticed"
