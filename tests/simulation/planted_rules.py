"""Faults to be planted in what the broker decides: a simulation that finds nothing proves nothing."""

from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations import accept as accepting
from ringback.broker.operations import bulk, due
from ringback.broker.operations import lanes as lane_operations
from ringback.broker.operations import settle as settling
from ringback.broker.operations.runs import append, ingest
from ringback.broker.operations.runs import settle as run_settling
from ringback.broker.records import Delivery, Event
from ringback.broker.rules import admit, lanes
from ringback.broker.rules import settle as rules
from ringback.broker.stores.contract import Query

Patch = pytest.MonkeyPatch


def a_lane_count_that_leaks(patch: Patch) -> None:
    """A slot is not given back when an attempt ends."""
    patch.setattr(lanes, "released", lambda lane: lane)


def a_double_append(patch: Patch) -> None:
    """A step that is submitted twice is put into the list twice."""
    known = iter(range(10**9))
    identity = ingest.runs.identity
    patch.setattr(ingest.runs, "identity", lambda *of: f"{identity(*of)}/{next(known)}")


def a_retry_that_is_not_counted(patch: Patch) -> None:
    """The next attempt carries the number of the one before."""
    again = rules._retry

    def uncounted(settled: Any, message: Any, delivery: Any, *rest: Any) -> None:
        again(settled, message, replace(delivery, retried=max(0, delivery.retried - 1)), *rest)

    patch.setattr(rules, "_retry", uncounted)


def one_attempt_too_many(patch: Patch) -> None:
    """A message has one more retry than it was given."""
    settle = settling.decide

    def generous(message: Any, *rest: Any, **more: Any) -> Any:
        return settle(replace(message, retries=message.retries + 1), *rest, **more)

    patch.setattr(settling, "decide", generous)


def a_line_that_forgets(patch: Patch) -> None:
    """A canceled message is still counted in its line."""
    patch.setattr("ringback.broker.operations.cancel.leave", lambda *_: None)


def an_end_that_is_written_twice(patch: Patch) -> None:
    end = rules._end

    def twice(settled: Any, *rest: Any) -> None:
        end(settled, *rest)
        end(settled, *rest)

    patch.setattr(rules, "_end", twice)


def a_cancel_that_takes_nothing_away(patch: Patch) -> None:
    """It looks canceled to its owner and is delivered all the same."""

    def forgotten(tx: Any, tenant: str, seq: int, moment: Any) -> bool:
        delivery = tx.get(Delivery, seq)
        if delivery is None or delivery.lease is not None:
            return False
        tx.apply(Changes(put=[Event(moment.new_id(), tenant, seq, "CANCELED", moment.now)]))
        return True

    patch.setattr("ringback.broker.operations.cancel.cancel_message", forgotten)


def a_cancel_that_leaves_a_run_for_ever(patch: Patch) -> None:
    """What a run goes on with is canceled as if it were any message."""
    patch.setattr("ringback.broker.operations.cancel._cancel_run_of", lambda *_: False)


def a_cancel_of_many_that_leaves_their_runs(patch: Patch) -> None:
    """The same, where several are canceled by their ids."""
    patch.setattr(
        "ringback.broker.operations.bulk.cancel_messages",
        lambda tx, tenant, seqs, _, moment: bulk.cancel_all(tx, tenant, seqs, moment),
    )


def a_line_that_is_served_from_its_end(patch: Patch) -> None:
    """Whoever came last goes first."""
    patch.setattr(lane_operations, "Query", lambda where, **more: Query(where, **more, descending=True))


def a_key_that_is_overtaken(patch: Patch) -> None:
    """The line of a flow-control key is not kept."""

    def whoever_comes(lane: Any, moment: Any, first: bool) -> bool:
        kept = first or not lane.waiting or lane.kind == "flow"
        return moment.lease is not None and kept and lanes.free(lane, moment.now) > 0

    patch.setattr(admit, "_may_pass", whoever_comes)


def a_head_that_does_not_block(patch: Patch) -> None:
    """A queue's message leaves its slot to others between its attempts, all of it counted well."""
    settle, release = settling.decide, settling.release

    def stepped_aside(message: Any, *rest: Any, **more: Any) -> Any:
        settled = settle(message, *rest, **more)
        put = settled.changes.put
        if message.queue and not settled.ended:
            put[:] = [replace(one, queued=False) if isinstance(one, Delivery) else one for one in put]
        return settled

    patch.setattr(settling, "decide", stepped_aside)
    patch.setattr(
        settling,
        "release",
        lambda tx, message, *rest, ended: release(tx, message, *rest, ended=ended or message.queue is not None),
    )


def a_pause_that_is_ignored(patch: Patch) -> None:
    """A paused lane lets pass whoever comes."""
    free = lanes.free
    patch.setattr(lanes, "free", lambda lane, now: free(replace(lane, paused=False), now))


def a_limit_that_is_one_too_high(patch: Patch) -> None:
    free = lanes.free
    patch.setattr(lanes, "free", lambda lane, now: free(lane, now) + (0 if lane.paused else 1))


def a_step_that_is_dropped(patch: Patch) -> None:
    """A step that could not start at once is not stored."""
    start = accepting.start

    def dropped(tx: Any, message: Any, delivery: Any, moment: Any) -> None:
        if message.kind != "step" or moment.lease is not None:
            start(tx, message, delivery, moment)

    patch.setattr(accepting, "start", dropped)


def a_due_message_that_is_dropped(patch: Patch) -> None:
    """A message whose retry has come is forgotten."""
    start = due.start

    def dropped(tx: Any, message: Any, delivery: Any, moment: Any) -> None:
        if delivery.retried and not (message.flow or message.queue or message.holds or message.run):
            tx.apply(Changes(drop=[delivery]))
        else:
            start(tx, message, delivery, moment)

    patch.setattr(due, "start", dropped)


def a_retry_that_keeps_its_lease(patch: Patch) -> None:
    again = rules._retry

    def kept(settled: Any, message: Any, delivery: Any, *rest: Any) -> None:
        again(settled, message, delivery, *rest)
        put = settled.changes.put
        put[:] = [replace(one, lease=delivery.lease) if isinstance(one, Delivery) else one for one in put]

    patch.setattr(rules, "_retry", kept)


def a_failure_without_a_dead_letter(patch: Patch) -> None:
    settle = settling.decide

    def forgetful(*of: Any, **more: Any) -> Any:
        settled = settle(*of, **more)
        settled.letter = None
        return settled

    patch.setattr(settling, "decide", forgetful)


def a_place_that_is_left_out(patch: Patch) -> None:
    """The list of a run has a gap."""
    place = append.place
    patch.setattr(append, "place", lambda tx, run, entry: place(tx, replace(run, entries=run.entries * 2), entry))


def a_retry_that_comes_in_a_day(patch: Patch) -> None:
    patch.setattr(rules, "retry_wait", lambda *_: 86_400_000)


def a_run_that_gives_up_at_once(patch: Patch) -> None:
    """A step that fails ends its run."""
    settle = run_settling.settle
    patch.setattr(
        run_settling, "settle", lambda message, *rest, **more: settle(replace(message, retries=0), *rest, **more)
    )
