"""Canceling more messages than fit one transaction: the count is right, whatever happens in between."""

import asyncio
from pathlib import Path
from typing import Any

from ringback.broker.operations import bulk
from ringback.broker.records import BulkAction, BulkCancel
from ringback.broker.stores.contract import Query
from ringback.broker.stores.sqlite import SqliteStore
from support.inprocess import OTHER, InProcess, inprocess

URL = "https://app.example/hook"
MANY = 2 * bulk.AT_ONCE + 50


async def publish_many(ringed: InProcess, count: int = MANY, delay: str = "1h", label: str = "all") -> list[str]:
    item = {"destination": URL, "headers": {"Upstash-Delay": delay, "Upstash-Label": label}}
    answer = await ringed.call("POST", "/v2/batch", [item] * count)
    return [str(one["messageId"]) for one in answer.json]


async def action(ringed: InProcess, action_id: str) -> dict[str, Any]:
    answer = await ringed.call("GET", f"/v2/bulkActions/{action_id}")
    assert answer.status == 200
    return dict(answer.json)


async def carry_on_to_the_end(ringed: InProcess) -> None:
    while await ringed.broker.canceler.tick() is not None:
        pass


async def test_many_are_canceled_in_steps_and_counted_together(ringed: InProcess) -> None:
    ids = await publish_many(ringed)
    other = await ringed.publish(URL, upstash_delay="1h")
    answer = await ringed.call("DELETE", "/v2/messages?label=all")
    assert (answer.status, answer.json) == (202, {"cancelled": MANY})
    assert (await ringed.call("DELETE", "/v2/messages?label=all")).json == {"cancelled": 0}
    assert await ringed.events(ids[0]) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
    assert await ringed.events(ids[-1]) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
    assert await ringed.events(other) == ["CREATED"]
    actions = (await ringed.call("GET", "/v2/bulkActions")).json["bulkActions"]
    assert [(one["state"], one["total"], one["processed"]) for one in actions] == [
        ("FINISHED", 0, 0),
        ("FINISHED", MANY, MANY),
    ]
    assert (await ringed.call("GET", "/v2/bulkActions?state=IN_PROGRESS")).json == {"bulkActions": []}


async def test_an_action_shows_what_it_was_asked_with_and_never_a_token(ringed: InProcess) -> None:
    token = "token-one"
    for query, body, shown in (
        ("label=a&label=b&count=100", b"", {"label": ["a", "b"]}),
        ("", {"label": ["a", "b"], "url": URL}, {"label": ["a", "b"], "url": [URL]}),
        ("label=c", {"label": "a"}, {"label": ["c"]}),
        ("", b"", {}),
    ):
        target = f"/v2/messages?{query}&qstash_token={token}"
        assert (await ringed.call("DELETE", target, body, token=None)).status == 202
        answer = (await ringed.call("GET", "/v2/bulkActions?count=1")).json
        assert answer["bulkActions"][0]["filter"] == shown
    assert all(token not in str(one) for one in await ringed.store.read(lambda tx: tx.find(BulkAction, Query(()))))


async def test_a_count_bounds_nothing_for_clients_send_one_and_do_not_call_again(ringed: InProcess) -> None:
    await publish_many(ringed)
    first = await ringed.call("DELETE", "/v2/messages?label=all&count=100&async=true")
    second = await ringed.call("DELETE", "/v2/messages?label=all&async=true")
    assert first.json["actionId"] == second.json["actionId"]
    assert (await ringed.call("DELETE", "/v2/messages?label=all&count=1")).json == {"cancelled": MANY}
    assert (await ringed.call("DELETE", "/v2/messages?count=100")).json == {"cancelled": 0}


async def test_an_asynchronous_cancel_answers_at_once_and_shows_how_far_it_is(ringed: InProcess) -> None:
    await publish_many(ringed)
    answer = await ringed.call("DELETE", "/v2/messages?async=true")
    assert (answer.status, answer.json["cancelled"]) == (202, MANY)
    shown = await action(ringed, answer.json["actionId"])
    assert (shown["state"], shown["total"], shown["processed"]) == ("IN_PROGRESS", MANY, 0)
    assert "completedAt" not in shown
    ringed.at += 5000
    assert await ringed.broker.canceler.tick() is not None
    listed = (await ringed.call("GET", "/v2/bulkActions?state=IN_PROGRESS")).json["bulkActions"]
    assert [one["processed"] for one in listed] == [bulk.AT_ONCE]
    assert (await ringed.call("GET", "/v2/bulkActions?state=IN_PROGRESS", token=OTHER)).json == {"bulkActions": []}
    await carry_on_to_the_end(ringed)
    shown = await action(ringed, answer.json["actionId"])
    assert (shown["state"], shown["total"], shown["processed"]) == ("FINISHED", MANY, MANY)
    assert shown["completedAt"] - shown["createdAt"] == 5000


async def test_a_cancel_goes_on_where_a_broker_ended_and_counts_nothing_twice(tmp_path: Path) -> None:
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as before:
        await publish_many(before)
        asked = (await before.call("DELETE", "/v2/messages?async=true")).json
        await before.broker.canceler.tick()
    async with inprocess(SqliteStore(tmp_path / "ringback.db")) as after:
        assert (await action(after, asked["actionId"]))["processed"] == bulk.AT_ONCE
        await carry_on_to_the_end(after)
        assert (await action(after, asked["actionId"]))["processed"] == MANY
        assert (await after.call("DELETE", "/v2/messages")).json == {"cancelled": 0}


async def test_the_same_filter_again_joins_the_cancel_under_way_and_takes_what_is_new(ringed: InProcess) -> None:
    await publish_many(ringed)
    first = (await ringed.call("DELETE", "/v2/messages?label=all&async=true")).json
    await ringed.broker.canceler.tick()
    await publish_many(ringed, 7)
    second = (await ringed.call("DELETE", "/v2/messages?label=all&async=true")).json
    assert second["actionId"] == first["actionId"]
    assert second["cancelled"] == MANY - bulk.AT_ONCE + 7
    other = await ringed.call("DELETE", "/v2/messages?label=other&async=true")
    assert other.json["cancelled"] == 0
    await carry_on_to_the_end(ringed)
    assert (await action(ringed, first["actionId"]))["total"] == MANY + 7


async def test_two_callers_of_one_cancel_are_both_told_the_whole_count(ringed: InProcess) -> None:
    await publish_many(ringed)
    answers = await asyncio.gather(*(ringed.call("DELETE", "/v2/messages") for _ in range(2)))
    counts = [answer.json["cancelled"] for answer in answers]
    assert counts in ([MANY, MANY], [MANY, 0])  # the memory store is through with the first before the second begins


async def test_messages_in_flight_are_counted_once_and_not_tried_again(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    flying = await publish_many(ringed, 5, delay="0s")
    await ringed.settle()
    await publish_many(ringed)
    assert (await ringed.call("DELETE", "/v2/messages")).json == {"cancelled": MANY + 5}
    assert (await ringed.call("DELETE", "/v2/messages")).json == {"cancelled": 0}
    assert (await ringed.call("DELETE", "/v2/messages?count=500")).json == {"cancelled": 0}
    ringed.held.set()
    await ringed.broker.dispatcher.idle()
    assert "CANCEL_REQUESTED" in await ringed.events(flying[0])


async def test_what_moved_meanwhile_is_looked_at_again(ringed: InProcess) -> None:
    """Two brokers that carry on the same cancel: the slower one changes nothing."""
    await publish_many(ringed)
    await ringed.call("DELETE", "/v2/messages?async=true")
    (seen,) = await ringed.broker.desk.read(lambda tx: tx.find(BulkCancel, Query()))
    numbers = await ringed.broker.desk.read(
        lambda tx: bulk.next_of(tx, seen.tenant, seen.chosen, seen.upto, bulk.AT_ONCE)
    )
    for _ in range(2):
        await ringed.broker.desk.write(lambda tx, moment: bulk.carry_on(tx, seen, numbers, moment))
    (now,) = await ringed.broker.desk.read(lambda tx: tx.find(BulkCancel, Query()))
    assert now.canceled == bulk.AT_ONCE
    await carry_on_to_the_end(ringed)
    (done,) = await ringed.broker.desk.read(lambda tx: tx.find(BulkAction, Query()))
    assert done.total == MANY


async def test_what_ended_between_the_look_and_the_cancel_is_not_counted(ringed: InProcess) -> None:
    await publish_many(ringed, delay="1m")
    await ringed.call("DELETE", "/v2/messages?async=true")
    (seen,) = await ringed.broker.desk.read(lambda tx: tx.find(BulkCancel, Query()))
    numbers = await ringed.broker.desk.read(
        lambda tx: bulk.next_of(tx, seen.tenant, seen.chosen, seen.upto, bulk.AT_ONCE)
    )
    await ringed.turn(61_000)
    await ringed.broker.desk.write(lambda tx, moment: bulk.carry_on(tx, seen, numbers, moment))
    await carry_on_to_the_end(ringed)
    (done,) = await ringed.broker.desk.read(lambda tx: tx.find(BulkAction, Query()))
    assert (done.total, len(ringed.sent)) == (0, MANY)


async def test_the_loop_takes_up_a_cancel_by_itself(ringed: InProcess) -> None:
    ringed.broker.run()
    await publish_many(ringed)
    asked = (await ringed.call("DELETE", "/v2/messages?async=true")).json
    async with asyncio.timeout(30):
        while (await action(ringed, asked["actionId"]))["state"] != "FINISHED":
            await asyncio.sleep(0.01)
    assert (await action(ringed, asked["actionId"]))["processed"] == MANY
