"""Deleting a queue with very many messages, and canceling very many runs: in small steps, whatever happens in between."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringback.broker.changes import Applied, Changes
from ringback.broker.operations import removal
from ringback.broker.records import Delivery, Event, Lane, Removal, Run
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query
from ringback.broker.stores.sqlite import SqliteStore
from support.inprocess import InProcess, inprocess, until

URL = "https://app.example/hook"
MANY = 2 * removal.AT_ONCE + 50
MANY_RUNS = 2 * removal.RUNS_AT_ONCE + 10


async def enqueue_many(ringed: InProcess, count: int = MANY, **headers: str) -> list[str]:
    item = {"destination": URL, "queue": "q", "headers": headers}
    answer = await ringed.call("POST", "/v2/batch", [item] * count)
    return [str(one["messageId"]) for one in answer.json]


async def begin_to_delete(ringed: InProcess) -> Removal | None:
    """What a broker does that dies before it has answered."""
    limits = Limits()
    return await ringed.broker.desk.write(lambda tx, moment: removal.delete_queue(tx, "one", "q", limits, moment))


async def carry_on_to_the_end(ringed: InProcess) -> None:
    while await ringed.broker.canceler.tick() is not None:
        pass


async def left(ringed: InProcess, kind: type[Any]) -> list[Any]:
    return await ringed.broker.desk.read(lambda tx: tx.find(kind, Query()))


async def paused_queue(ringed: InProcess) -> None:
    await ringed.call("POST", "/v2/queues", {"queueName": "q", "paused": True})


async def test_a_queue_with_very_many_messages_is_deleted_in_small_steps(ringed: InProcess) -> None:
    most = 0

    def see(applied: Applied) -> None:
        nonlocal most
        ended = [one for one in applied.put(Event) if one.state == "CANCELED"]
        most = max(most, len(ended))

    await paused_queue(ringed)
    ids = await enqueue_many(ringed)
    other = await ringed.publish(URL, upstash_delay="1h")
    ringed.broker.watchers.append(see)
    answer = await ringed.call("DELETE", "/v2/queues/q")
    assert (answer.status, answer.json) == (200, {})
    assert most == removal.AT_ONCE
    for one in (ids[0], ids[-1]):
        assert await ringed.events(one) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
    assert await ringed.events(other) == ["CREATED"]
    assert await left(ringed, Lane) == await left(ringed, Removal) == []


async def test_a_queue_is_gone_for_everybody_while_it_is_being_deleted(ringed: InProcess) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    assert (await ringed.call("GET", "/v2/queues")).json == []
    for method, path in (("GET", "q"), ("POST", "q/pause"), ("POST", "q/resume")):
        assert (await ringed.call(method, f"/v2/queues/{path}")).status == 404
    await ringed.turn(60_000)
    assert ringed.sent == []


async def test_deleting_goes_on_where_a_broker_ended(tmp_path: Path) -> None:
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as before:
        await paused_queue(before)
        await enqueue_many(before)
        assert await begin_to_delete(before) is not None
        assert len(await left(before, Delivery)) == MANY - removal.AT_ONCE
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as after:
        await carry_on_to_the_end(after)
        assert await left(after, Delivery) == await left(after, Lane) == await left(after, Removal) == []
        assert after.sent == []


async def test_what_is_enqueued_while_its_queue_is_being_deleted_is_delivered_when_that_is_done(
    ringed: InProcess,
) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    for body in (b"one", b"two"):
        await ringed.enqueue("q", URL, body)
    await ringed.settle()
    assert ringed.sent == []
    shown = (await ringed.call("GET", "/v2/queues/q")).json
    assert (shown["parallelism"], shown["lag"]) == (1, 2)
    assert (await ringed.call("POST", "/v2/queues", {"queueName": "q", "parallelism": 2})).status == 200
    await carry_on_to_the_end(ringed)
    await ringed.settle()
    assert [one.body for one in ringed.sent] == [b"one", b"two"]
    (lane,) = await left(ringed, Lane)
    assert (lane.parallelism, lane.active, lane.waiting, lane.deleting, lane.anew) == (2, 0, 0, 0, False)


async def test_a_queue_that_is_made_again_and_deleted_again_takes_what_is_new_with_it(ringed: InProcess) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    new = await ringed.enqueue("q", URL, b"new")
    assert (await ringed.call("DELETE", "/v2/queues/q")).status == 200
    await ringed.settle()
    assert ringed.sent == []
    assert (await ringed.events(new))[-1] == "CANCELED"
    assert await left(ringed, Lane) == await left(ringed, Removal) == []


async def test_a_queue_that_is_made_again_is_paused_and_resumed_as_any_other(ringed: InProcess) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    await ringed.enqueue("q", URL, b"new")
    for deed, paused in (("pause", True), ("resume", False), ("pause", True)):
        assert (await ringed.call("POST", f"/v2/queues/q/{deed}")).status == 200
        assert (await ringed.call("GET", "/v2/queues/q")).json["paused"] is paused
    await carry_on_to_the_end(ringed)
    await ringed.settle()
    assert (ringed.sent, (await ringed.call("GET", "/v2/queues/q")).json["paused"]) == ([], True)
    assert (await ringed.call("POST", "/v2/queues/q/resume")).status == 200
    await ringed.settle()
    assert [one.body for one in ringed.sent] == [b"new"]


_KNOWN = Lane.__struct_fields__[: Lane.__struct_fields__.index("deleting")]
_BEFORE = msgspec.defstruct("Lane", [(name, Any) for name in _KNOWN], array_like=True, frozen=True)
"""A lane as a release knows it that deletes queues in one transaction."""


def as_before(lane: Lane) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(lane), type=_BEFORE)


@pytest.mark.parametrize("anew", [False, True])
async def test_a_broker_of_a_former_release_takes_a_queue_that_is_being_deleted_for_paused(
    ringed: InProcess, anew: bool
) -> None:
    await enqueue_many(ringed, upstash_delay="1h")
    await begin_to_delete(ringed)
    if anew:
        await ringed.enqueue("q", URL, b"new")
    (lane,) = await left(ringed, Lane)
    assert as_before(lane).paused


@pytest.mark.parametrize("enqueues", [False, True])
async def test_a_mark_that_a_broker_of_a_former_release_has_lost_lets_nothing_pass_and_leaves_no_queue_paused(
    ringed: InProcess, enqueues: bool
) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    (lane,) = await left(ringed, Lane)
    lost = msgspec.msgpack.decode(msgspec.msgpack.encode(as_before(lane)), type=Lane)
    await ringed.broker.desk.write(lambda tx, _: tx.apply(Changes(put=[lost])))
    if enqueues:
        await ringed.enqueue("q", URL, b"new")
    await ringed.turn(60_000)
    assert ringed.sent == []
    await carry_on_to_the_end(ringed)
    await ringed.settle()
    assert [one.body for one in ringed.sent] == ([b"new"] if enqueues else [])
    assert [(one.paused, one.waiting) for one in await left(ringed, Lane)] == ([(False, 0)] if enqueues else [])


async def test_what_a_deleted_queue_had_in_flight_is_not_tried_again_and_holds_nothing_of_the_next(
    ringed: InProcess,
) -> None:
    ringed.held = old = asyncio.Event()
    await ringed.enqueue("q", URL, b"old", upstash_callback="https://cb.example/told")
    await ringed.settle()
    await enqueue_many(ringed)
    await begin_to_delete(ringed)
    ringed.held = new = asyncio.Event()
    for body in (b"one", b"two"):
        await ringed.enqueue("q", URL, body)
    await carry_on_to_the_end(ringed)
    await ringed.settle()
    assert [one.body for one in ringed.sent] == [b"old", b"one"]
    old.set()
    await until(lambda: len(ringed.sent) >= 3)  # the callback
    assert b"two" not in [one.body for one in ringed.sent]
    ringed.held = None
    new.set()
    await ringed.settle()
    assert ringed.sent[-1].body == b"two"
    (lane,) = await left(ringed, Lane)
    assert (lane.active, lane.waiting) == (0, 0)


async def start_runs(ringed: InProcess, count: int = MANY_RUNS) -> list[str]:
    item = {"destination": "https://app.example/flow", "headers": {"Upstash-Delay": "1h", "Upstash-Label": "all"}}
    answer = await ringed.call("POST", "/v2/batch/trigger", [item] * count)
    assert answer.status == 201, answer
    return [str(one["workflowRunId"]) for one in answer.json]


async def states(ringed: InProcess) -> list[str]:
    return sorted(run.state for run in await left(ringed, Run))


@pytest.mark.parametrize(("query", "expected"), [("label=all&count=1000", MANY_RUNS), ("count=73", 73), ("", 100)])
async def test_very_many_runs_are_canceled_in_small_steps_and_counted(
    ringed: InProcess, query: str, expected: int
) -> None:
    await start_runs(ringed)
    answer = await ringed.call("DELETE", f"/v2/workflows/runs?{query}")
    assert (answer.status, answer.json) == (200, {"cancelled": expected})
    assert (await states(ringed)).count("RUN_CANCELED") == expected
    assert len(await left(ringed, Delivery)) == MANY_RUNS - expected


async def test_runs_that_are_chosen_one_by_one_are_canceled_in_steps_too(ringed: InProcess) -> None:
    ids = await start_runs(ringed)
    asked = {"workflowRunIds": [*ids[5:], ids[7], "wfr_nobody"]}
    answer = await ringed.call("DELETE", "/v2/workflows/runs", asked)
    assert answer.json == {"cancelled": MANY_RUNS - 5}
    assert (await ringed.call("DELETE", "/v2/workflows/runs", asked)).json == {"cancelled": 0}


async def test_canceling_runs_goes_on_where_a_broker_ended(tmp_path: Path) -> None:
    limits = Limits()
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as before:
        await start_runs(before)
        filter_ = removal.Filter(labels=("all",), count=MANY_RUNS)
        begun = await before.broker.desk.write(
            lambda tx, moment: removal.remove_runs(tx, "one", filter_, limits, moment, exact=False)
        )
        assert begun.done == removal.RUNS_AT_ONCE
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as after:
        await start_runs(after, 1)  # after it was asked for
        await carry_on_to_the_end(after)
        (done,) = await left(after, Removal)
        assert (done.open, done.done) == (None, MANY_RUNS)
        assert await states(after) == ["RUN_CANCELED"] * MANY_RUNS + ["RUN_STARTED"]


async def test_two_brokers_that_carry_on_the_same_removal_do_nothing_twice(ringed: InProcess) -> None:
    await paused_queue(ringed)
    await enqueue_many(ringed)
    seen = await begin_to_delete(ringed)
    assert seen is not None
    numbers = await ringed.broker.desk.read(lambda tx: removal.next_of(tx, seen))
    for _ in range(2):
        await ringed.broker.desk.write(lambda tx, moment: removal.carry_on(tx, seen, numbers, Limits(), moment))
    (now,) = await left(ringed, Removal)
    assert (now.done, now.after) == (2 * removal.AT_ONCE, numbers[-1])
