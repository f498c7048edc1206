"""Faults to be planted in schedules, URL groups, batches, windows of time, retention, deleted queues, and bulk cancels."""

from dataclasses import replace as replace_limits
from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.api import messages
from ringback.broker.changes import Changes
from ringback.broker.operations import bulk, publish, removal, retention, schedules
from ringback.broker.operations import lanes as lane_operations
from ringback.broker.operations.publication import Published
from ringback.broker.records import Schedule, UrlGroup
from ringback.broker.rules import lanes
from ringback.broker.stores.contract import Where
from ringback.errors import Refused

Patch = pytest.MonkeyPatch


def a_tick_that_comes_twice(patch: Patch) -> None:
    """A schedule that has ticked waits for the same tick again."""
    fire = schedules.fire

    def twice(tx: Any, schedule: Schedule, *rest: Any) -> None:
        fire(tx, schedule, *rest)
        ticked = tx.get(Schedule, schedule.tenant, schedule.id)
        tx.apply(Changes(put=[replace(ticked, wake_at=schedule.wake_at)]))

    patch.setattr(schedules, "fire", twice)


def a_tick_without_its_message(patch: Patch) -> None:
    patch.setattr(schedules, "_messages", lambda *_: ())


def a_tick_that_is_too_early(patch: Patch) -> None:
    """A schedule looks ten seconds ahead."""
    find = schedules.fire_due
    patch.setattr(
        "ringback.broker.engine.scheduler.fire_due",
        lambda tx, most, limits, moment: find(tx, most, limits, replace(moment, now=moment.now + 10_000)),
    )


def a_schedule_that_does_not_pause(patch: Patch) -> None:
    """It says that it is paused, and ticks."""

    def wakes(tx: Any, tenant: str, name: str, moment: Any, *, paused: bool) -> None:
        tx.apply(Changes(put=[replace(schedules.known(tx, tenant, name), paused=paused)]))

    patch.setattr(schedules, "set_paused", wakes)


def a_schedule_that_is_not_deleted(patch: Patch) -> None:
    patch.setattr(schedules, "delete_schedule", lambda *_: None)


def a_schedule_that_forgets_to_go_on(patch: Patch) -> None:
    """After its first tick it waits for one that is a year away."""
    next_at = schedules.cron.Cron.next_at
    patch.setattr(schedules.cron.Cron, "next_at", lambda self, after: next_at(self, after) + 120_000)


class _Shorter:
    """A transaction in which a URL group has an endpoint less."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    def get(self, kind: Any, *key: Any) -> Any:
        found = self._tx.get(kind, *key)
        return replace(found, endpoints=found.endpoints[1:]) if kind is UrlGroup and found else found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


def an_endpoint_that_is_left_out(patch: Patch) -> None:
    """A URL group's first endpoint gets nothing."""
    whole = publish.publish
    patch.setattr(messages, "publish_now", lambda tx, *rest: whole(_Shorter(tx), *rest))


def a_batch_without_what_is_wrong_in_it(patch: Patch) -> None:
    """What can be accepted of a batch is, although the rest cannot."""
    whole = publish.publish

    def lenient(*of: Any) -> list[Published]:
        try:
            return whole(*of)
        except Refused:
            return [Published(0, "")]

    patch.setattr(messages, "publish_now", lenient)


def a_batch_in_two_parts(patch: Patch) -> None:
    """The last message of a batch is not stored."""
    accept = publish.accept

    def forgetful(tx: Any, message: Any, *rest: Any) -> None:
        if not message.body.startswith(b"batched") or not message.body.endswith(b"3"):
            accept(tx, message, *rest)

    patch.setattr(publish, "accept", forgetful)


def an_id_that_is_not_looked_at(patch: Patch) -> None:
    """Each message has a deduplication id of its own."""
    known = iter(range(10**9))
    patch.setattr(publish, "dedup_id", lambda *_: f"{next(known)}")


def an_id_that_is_taken_too_long(patch: Patch) -> None:
    whole = publish.publish

    def longer(tx: Any, publication: Any, limits: Any, moment: Any) -> list[Published]:
        return whole(tx, publication, replace_limits(limits, dedup_window_ms=60_000), moment)

    patch.setattr(messages, "publish_now", longer)


def an_id_that_is_taken_again(patch: Patch) -> None:
    """What is taken already is taken by the next one all the same."""
    whole = publish.publish
    patch.setattr(_Forgetful, "kind", publish.Dedup)
    patch.setattr(messages, "publish_now", lambda tx, *rest: whole(_Forgetful(tx), *rest))


class _Forgetful(_Shorter):
    """A transaction that does not find records of a kind."""

    kind: Any = None

    def get(self, kind: Any, *key: Any) -> Any:
        return None if kind is self.kind else self._tx.get(kind, *key)


def a_rate_that_is_not_counted(patch: Patch) -> None:
    taken = lanes.taken
    patch.setattr(lanes, "taken", lambda lane, now: replace(taken(lane, now), rate_count=0))


def a_rate_that_is_one_too_high(patch: Patch) -> None:
    free = lanes.free
    patch.setattr(lanes, "free", lambda lane, now: free(lane if lane.rate is None else replace(lane, rate=3), now))


def a_period_that_is_too_short(patch: Patch) -> None:
    rolled = lanes.rolled

    def short(lane: Any, now: int) -> Any:
        return replace(rolled(replace(lane, period=1), now), period=lane.period)

    patch.setattr(lanes, "rolled", short)


def a_history_that_is_too_short(patch: Patch) -> None:
    """Events are forgotten after half their time."""
    forget = retention.forget_history

    def hasty(tx: Any, most: int, limits: Any, moment: Any) -> int:
        return forget(tx, most, limits, replace(moment, now=moment.now + limits.log_retention_ms // 2))

    patch.setattr(retention, "forget_history", hasty)


def a_pending_message_that_is_forgotten(patch: Patch) -> None:
    """What is as old as events may be is dropped, whether it has ended or not."""
    forget = retention.forget_messages

    def whatever(tx: Any, after: int, most: int, limits: Any, moment: Any) -> int:
        return forget(tx, after, most, replace_limits(limits, log_retention_ms=0, dlq_retention_ms=0), moment)

    patch.setattr(retention, "_is_over", lambda *_: True)
    patch.setattr(retention, "forget_messages", whatever)


def a_history_that_is_kept(patch: Patch) -> None:
    patch.setattr(retention, "forget_history", lambda *_: 0)


def a_slot_that_is_given_to_a_stranger(patch: Patch) -> None:
    """A callback that outlives its queue frees a slot of the next queue of that name."""
    give_back = lane_operations._give_back
    patch.setattr(lane_operations, "_give_back", lambda *of: give_back(*of[:5]))


def a_cancel_that_counts_too_much(patch: Patch) -> None:
    """A bulk cancel counts what it looked at, not what it canceled."""
    carry_on = bulk.cancel_all
    patch.setattr(bulk, "cancel_all", lambda tx, tenant, numbers, moment: carry_on(tx, tenant, numbers, moment) + 1)


def a_cancel_that_leaves_some_out(patch: Patch) -> None:
    """Each step of a bulk cancel passes one over."""
    cancel = bulk.cancel_all

    def some(tx: Any, tenant: str, numbers: Any, moment: Any) -> int:
        return cancel(tx, tenant, numbers[1:], moment)

    patch.setattr(bulk, "cancel_all", some)


def a_cancel_that_takes_all(patch: Patch) -> None:
    """The filter of a bulk cancel is not looked at."""
    patch.setattr(bulk, "_chosen_by", lambda tenant, _: (Where("tenant", "=", tenant), Where("run", "=", 0)))


def a_queue_that_is_not_emptied(patch: Patch) -> None:
    """Each step of a deletion passes one over."""
    empty = removal._empty
    patch.setattr(removal, "_empty", lambda tx, seen, numbers, moment: empty(tx, seen, numbers[1:], moment))


def a_queue_that_goes_on_while_it_is_deleted(patch: Patch) -> None:
    free = lanes.free
    patch.setattr(lanes, "free", lambda lane, now: free(replace(lane, deleting=0, paused=lanes.is_paused(lane)), now))


def runs_that_are_left_out(patch: Patch) -> None:
    """Of the runs that are to be canceled the first goes on."""
    cancel = removal.cancel_runs
    patch.setattr(removal, "cancel_runs", lambda tx, numbers, limits, moment: cancel(tx, numbers[1:], limits, moment))
