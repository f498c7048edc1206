"""What is past its time is forgotten, what may still be asked for is not."""

import asyncio
from pathlib import Path

import pytest

from ringback.broker.changes import Changes
from ringback.broker.engine import dispatcher
from ringback.broker.ids import first_id_at
from ringback.broker.operations import stretches
from ringback.broker.records import Dedup, Entry, Event, Lane, Message, Run, Stretch
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS
from ringback.broker.stores import pages
from ringback.broker.stores.contract import Query
from ringback.broker.stores.sqlite import SqliteStore
from ringback.wire.http import Outcome
from support.inprocess import START, InProcess, answering, inprocess

URL = "https://api.example.com/in"
WEEK = 7 * 86_400_000


async def counts(ringed: InProcess) -> dict[str, int]:
    kinds = (Message, Event, Dedup, Run, Entry)
    return {kind.__name__: await ringed.store.read(lambda tx, kind=kind: tx.count(kind)) for kind in kinds}  # type: ignore[misc]


async def test_history_goes_after_its_time_and_what_waits_stays(ringed: InProcess) -> None:
    ringed.respond = answering(200)
    await ringed.publish(URL, upstash_deduplication_id="d")
    waiting = await ringed.publish(URL, upstash_delay="300d")
    await ringed.settle()
    await ringed.broker.janitor.tick()
    assert await counts(ringed) == {"Message": 2, "Event": 4, "Dedup": 1, "Run": 0, "Entry": 0}
    ringed.at += WEEK + 1
    await ringed.broker.janitor.tick()
    assert await counts(ringed) == {"Message": 1, "Event": 0, "Dedup": 0, "Run": 0, "Entry": 0}
    assert (await ringed.call("GET", f"/v2/messages/{waiting}")).status == 200


async def test_a_dead_letter_keeps_its_message_as_long_as_itself(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    await ringed.publish(URL, upstash_retries="0")
    await ringed.settle()
    ringed.at += WEEK - 1
    await ringed.broker.janitor.tick()
    assert len((await ringed.call("GET", "/v2/dlq")).json["messages"]) == 1
    ringed.at += 2
    await ringed.broker.janitor.tick()
    assert (await ringed.call("GET", "/v2/dlq")).json["messages"] == []
    assert (await counts(ringed))["Message"] == 0


async def test_ended_runs_are_forgotten_and_active_ones_are_not(ringed: InProcess) -> None:
    ringed.respond = lambda _: Outcome(200, [("Upstash-Workflow-Sdk-Version", "1")], b"{}")
    for run_id in ("wfr_ended", "wfr_active"):
        headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Url": URL}
        await ringed.call("POST", "/v2/batch", [{"destination": URL, "headers": headers, "body": "x"}])
    await ringed.settle()
    await ringed.call("DELETE", "/v2/workflows/runs/wfr_ended?cancel=false")
    ringed.at += WEEK + 1
    await ringed.broker.janitor.tick()
    runs = await ringed.store.read(lambda tx: [run.run_id for run in tx.find(Run, Query())])
    assert runs == ["wfr_active"]
    assert (await counts(ringed))["Entry"] == 1


async def test_unused_flow_control_keys_are_forgotten_after_ten_minutes(ringed: InProcess) -> None:
    await ringed.publish(URL, upstash_flow_control_key="k", upstash_flow_control_value="rate=5")
    await ringed.call("POST", "/v2/flowControl/kept/pause")
    await ringed.settle()
    ringed.at += 600_000
    await ringed.broker.janitor.tick()
    lanes = await ringed.store.read(lambda tx: [lane.name for lane in tx.find(Lane, Query())])
    assert lanes == ["kept"]


async def test_a_run_is_kept_while_something_of_it_is_in_flight(ringed: InProcess) -> None:
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": "wfr_1", "Upstash-Workflow-Url": URL}
    ringed.held = asyncio.Event()
    await ringed.call("POST", "/v2/batch", [{"destination": URL, "headers": headers, "body": "x"}])
    await ringed.settle()
    await ringed.call("DELETE", "/v2/workflows/runs/wfr_1?cancel=true")
    ringed.at += WEEK + 1
    await ringed.broker.janitor.tick()
    assert (await counts(ringed))["Run"] == 1, "whose delivery it is would not be known when its broker has died"
    ringed.held.set()
    await ringed.broker.dispatcher.idle()
    await ringed.broker.janitor.tick()
    assert (await counts(ringed))["Run"] == 0


async def test_stretches_of_history_are_noted_when_they_are_settled_and_go_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "LONG", 3)
    async with inprocess(SqliteStore(tmp_path / "store.db")) as ringed:

        async def noted() -> list[Stretch]:
            return await ringed.store.read(lambda tx: tx.find(Stretch, Query()))

        ringed.respond = answering(200)
        await ringed.publish(URL)
        await ringed.settle()
        await ringed.broker.janitor.tick()
        assert await noted() == [], "somebody may still write there"
        ringed.at += 2 * CLOCKS_DIFFER_MS + 1
        await ringed.broker.janitor.tick()
        await ringed.broker.janitor.tick()
        events = await ringed.store.read(lambda tx: tx.find(Event, Query(order=("pos",))))
        assert [(one.of, one.after, one.upto) for one in await noted()] == [("events", -1, events[2].pos)]
        ringed.at += WEEK + 1
        await ringed.broker.janitor.tick()
        assert await noted() == []


async def test_an_attempt_that_is_recorded_late_is_on_the_filtered_pages_of_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "LONG", 1)
    monkeypatch.setattr(dispatcher, "_NOTICE_AFTER", 3600.0)  # as if the store had been away when it was to be recorded
    for many in ("_MERGED", "_PROBED", "_SORTED"):
        monkeypatch.setattr(pages, many, 0)
    async with inprocess(SqliteStore(tmp_path / "store.db")) as ringed:
        ringed.held = asyncio.Event()
        await ringed.publish(URL, upstash_label="slow")
        await ringed.settle()
        await ringed.publish(URL, upstash_delay="1d")
        ringed.at += 2 * CLOCKS_DIFFER_MS + 1
        await ringed.broker.janitor.tick()
        assert await ringed.store.read(lambda tx: tx.count(Stretch)) == 2
        ringed.held.set()
        await ringed.broker.dispatcher.idle()
        page = (await ringed.call("GET", "/v2/logs?label=slow&order=earliestFirst")).json["logs"]
        assert [(one["state"], one["time"]) for one in page] == [
            ("CREATED", START),
            ("ACTIVE", START),
            ("DELIVERED", ringed.at),
        ]


async def test_numbers_go_past_what_is_noted_even_if_nothing_of_it_is_left(tmp_path: Path) -> None:
    noted = first_id_at(4_000_000_000_000)  # in 2096, by a clock that was wrong
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.write(lambda tx: tx.apply(Changes(put=[Stretch("dead_letters", noted, -1, b"")])))
    await store.close()
    async with inprocess(SqliteStore(tmp_path / "store.db")) as ringed:
        await ringed.publish(URL)
        events = await ringed.store.read(lambda tx: tx.find(Event, Query()))
        assert min(one.pos for one in events) > noted
