"""A clock that is set back by hours holds nothing up for hours, and lets nothing go too early."""

import asyncio
import shutil
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.engine import follower
from ringback.broker.engine.loop import Loop
from ringback.broker.records import Lane, Node, Schedule
from ringback.broker.rules import lanes
from ringback.broker.stores.contract import Query, StoreUnavailable, Transaction
from ringback.broker.stores.sqlite import SqliteStore
from support.inprocess import OTHER, START, TOKEN, InProcess, answering, inprocess

HOURS = 3 * 3_600_000
URL = "https://app.example/"


async def test_a_retry_and_a_delay_come_when_they_would_have_come() -> None:
    async with inprocess() as ringed:
        ringed.respond = answering(500, 200)
        await ringed.publish(f"{URL}retried", Upstash_Retry_Delay="10000")
        await ringed.settle()
        await ringed.publish(f"{URL}delayed", Upstash_Delay="1m")
        ringed.at -= HOURS
        await ringed.turn(9_000)
        assert [one.url for one in ringed.sent] == [f"{URL}retried"]
        await ringed.turn(2_000)
        assert [one.url for one in ringed.sent] == [f"{URL}retried"] * 2
        await ringed.turn(60_000)
        assert [one.url for one in ringed.sent] == [f"{URL}retried", f"{URL}retried", f"{URL}delayed"]


@pytest.mark.parametrize("written", [0, 1])
async def test_while_the_store_is_away_nothing_of_it_is_forgotten(
    written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with inprocess() as ringed:
        ringed.respond = answering(500, 200)
        await ringed.publish(f"{URL}retried", Upstash_Retry_Delay="10000")
        await ringed.settle()
        ringed.at -= HOURS
        writes, write = iter(range(10)), ringed.store.write

        def going_away(*job: Any, **how: Any) -> Awaitable[Any]:
            if next(writes) < written:
                return write(*job, **how)
            raise StoreUnavailable("away")

        monkeypatch.setattr(ringed.store, "write", going_away)
        with pytest.raises(StoreUnavailable):
            await ringed.broker.scheduler.tick()
        monkeypatch.undo()
        await ringed.turn(11_000)
        assert [one.url for one in ringed.sent] == [f"{URL}retried"] * 2


async def test_what_was_to_come_at_a_certain_time_and_what_is_accepted_after_it_keep_their_time() -> None:
    async with inprocess() as ringed:
        at = (START + 60_000) // 1000
        await ringed.settle()
        await ringed.publish(f"{URL}at", Upstash_Not_Before=str(at))
        ringed.at -= HOURS
        await ringed.publish(f"{URL}new", Upstash_Delay="1h")  # before anybody has looked at the clock
        await ringed.turn(3_599_000)
        assert ringed.sent == []
        await ringed.turn(2_000)
        assert [one.url for one in ringed.sent] == [f"{URL}new"]
        ringed.at = at * 1000
        await ringed.settle()
        assert [one.url for one in ringed.sent] == [f"{URL}new", f"{URL}at"]


@pytest.mark.parametrize(("rule", "within"), [("* * * * *", 60_000), ("0 * * * *", 3_600_000)])
async def test_a_schedule_goes_on(rule: str, within: int) -> None:
    async with inprocess() as ringed:
        await ringed.call("POST", f"/v2/schedules/{URL}tick", Upstash_Cron=rule)
        await ringed.turn(within)
        assert len(ringed.sent) == 1
        ringed.at -= HOURS
        await ringed.settle()
        assert len(ringed.sent) == 1
        await ringed.turn(within)
        assert len(ringed.sent) == 2


async def test_a_schedule_of_each_day_does_not_fire_twice_for_one_tick() -> None:
    async with inprocess() as ringed:
        day = 86_400_000
        next_midnight = (START // day + 1) * day
        await ringed.call("POST", f"/v2/schedules/{URL}tick", Upstash_Cron="0 0 * * *")
        await ringed.turn(next_midnight + 3_600_000 - START)
        assert len(ringed.sent) == 1
        ringed.at -= HOURS  # it will be midnight again
        await ringed.turn(4 * 3_600_000)
        assert len(ringed.sent) == 1
        await ringed.turn(day)
        assert len(ringed.sent) == 2


async def test_very_many_schedules_and_keys_are_brought_forward_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[int] = []
    async with reopened(tmp_path, START) as ringed:
        for number in range(25):
            for token in (TOKEN, OTHER):
                to = f"/v2/schedules/{URL}{token}-{number}"
                await ringed.call("POST", to, token=token, Upstash_Cron="0 * * * *")
            flow = {"Upstash_Flow_Control_Key": f"key {number}", "Upstash_Flow_Control_Value": "rate=1,period=60s"}
            for _ in range(2):
                await ringed.publish(f"{URL}{number}", **flow)
        await ringed.settle()
        ringed.sent.clear()
        monkeypatch.setattr(follower, "_AT_ONCE", 10)
        ringed.broker.watchers.append(
            lambda applied: changed.append(len(applied.put(Schedule)) + len(applied.put(Lane)))
        )
        ringed.at -= HOURS
        await ringed.broker.scheduler.tick()
        assert max(changed) <= 10
        assert sum(changed) == 3 * 25
        await ringed.turn(61_000)
        assert sorted(one.url for one in ringed.sent) == sorted(f"{URL}{number}" for number in range(25))
        await ringed.turn(3_600_000)
        ticks = [one.url for one in ringed.sent[25:]]
        assert sorted(ticks) == sorted(f"{URL}{token}-{number}" for number in range(25) for token in (TOKEN, OTHER))


async def test_a_schedule_whose_time_zone_is_gone_holds_nothing_up_when_the_clock_is_set_back() -> None:
    async with inprocess() as ringed:
        for name in ("lost", "tick"):
            await ringed.call("POST", f"/v2/schedules/{URL}{name}", Upstash_Cron="0 * * * *", Upstash_Schedule_Id=name)

        def lose(tx: Transaction, _: object) -> None:
            schedule = tx.get(Schedule, "one", "lost")
            assert schedule is not None
            tx.apply(Changes(put=[replace(schedule, cron="CRON_TZ=Atlantis/Poseidonis 0 * * * *")]))

        await ringed.broker.desk.write(lose)
        await ringed.settle()
        ringed.at -= HOURS
        await ringed.turn(3_600_000)
        assert [one.url for one in ringed.sent] == [f"{URL}tick"]


async def test_a_rate_lets_the_next_ones_through_after_its_period() -> None:
    async with inprocess() as ringed:
        for _ in range(3):
            await ringed.publish(URL, Upstash_Flow_Control_Key="key", Upstash_Flow_Control_Value="rate=1,period=60s")
        await ringed.settle()
        assert len(ringed.sent) == 1
        ringed.at -= HOURS
        await ringed.turn(61_000)
        assert len(ringed.sent) == 2
        await ringed.turn(61_000)
        assert len(ringed.sent) == 3


async def test_a_deduplication_id_is_not_taken_for_hours_longer() -> None:
    async with inprocess() as ringed:
        await ringed.publish(URL, Upstash_Deduplication_Id="once")
        await ringed.settle()
        ringed.at -= HOURS
        await ringed.publish(URL, Upstash_Deduplication_Id="once")
        await ringed.settle()
        assert len(ringed.sent) == 1
        await ringed.turn(20 * 60_000)
        await ringed.publish(URL, Upstash_Deduplication_Id="once")
        await ringed.settle()
        assert len(ringed.sent) == 2


def reopened(folder: Path, at: int) -> AbstractAsyncContextManager[InProcess]:
    """A broker on the same file, whose clock says something else than that of the last one."""
    return inprocess(SqliteStore(folder / "ringback.db"), at=at)


@pytest.mark.parametrize("down", [0, 1_800_000])
async def test_what_waits_comes_in_time_if_the_clock_is_set_back_while_the_broker_is_down(
    tmp_path: Path, down: int
) -> None:
    async with reopened(tmp_path, START) as before:
        before.respond = answering(500)
        await before.publish(f"{URL}retried", Upstash_Retry_Delay="10000")
        await before.settle()
        await before.publish(f"{URL}delayed", Upstash_Delay="1m")
        await before.publish(f"{URL}at", Upstash_Not_Before=str((START - HOURS + down) // 1000 + 60))
        await before.call("POST", f"/v2/schedules/{URL}tick", Upstash_Cron="0 * * * *")
        for _ in range(2):
            await before.publish(
                f"{URL}rated", Upstash_Flow_Control_Key="key", Upstash_Flow_Control_Value="rate=1,period=50s"
            )
        await before.settle()
    async with reopened(tmp_path, START - HOURS + down) as after:
        paths = lambda: [one.url.removeprefix(URL) for one in after.sent]  # noqa: E731
        await after.turn(9_000)
        assert "retried" not in paths()
        await after.turn(2_000)
        assert paths().count("retried") == 1
        await after.turn(60_000)
        assert sorted(paths()) == ["at", "delayed", "rated", "retried"]
        await after.turn(7_200_000)  # an hour more than its period: it was not set back by whole hours
        assert "tick" in paths()


async def test_a_clock_that_was_set_back_before_a_stop_is_followed_once(tmp_path: Path) -> None:
    async with reopened(tmp_path, START) as before:
        await before.publish(f"{URL}delayed", Upstash_Delay="1h")
        await before.settle()
        before.at -= HOURS
        await before.turn(600_000)
        await before.publish(f"{URL}new", Upstash_Delay="1h")
    async with reopened(tmp_path, START - HOURS + 600_000) as after:
        await after.turn(2_990_000)
        assert after.sent == []
        await after.turn(20_000)
        assert [one.url for one in after.sent] == [f"{URL}delayed"]
        await after.turn(600_000)
        assert [one.url for one in after.sent] == [f"{URL}delayed", f"{URL}new"]


class _Killed(Exception):
    pass


def killed_after(ringed: InProcess, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a broker break off after so many more writes."""
    left, write = iter(range(writes)), ringed.store.write

    def writing(*job: Any, **how: Any) -> Awaitable[Any]:
        if next(left, None) is None:
            raise _Killed
        return write(*job, **how)

    monkeypatch.setattr(ringed.store, "write", writing)


def files_of_killed(folder: Path, name: str) -> Path:
    """Return a folder with the files as a kill would leave them now."""
    killed = folder / name
    killed.mkdir()
    for file in folder.glob("ringback.db*"):
        shutil.copy(file, killed)
    return killed


@pytest.mark.parametrize("again", [0, HOURS])
@pytest.mark.parametrize("writes", [1, 3, 4, 6])
async def test_a_broker_that_is_killed_while_it_brings_forward_what_waits_goes_on_after_its_start(
    writes: int, again: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reopened(tmp_path, START) as before:
        for number in range(50):
            await before.publish(f"{URL}{number}", Upstash_Delay="30m", Upstash_Deduplication_Id=str(number))
        await before.settle()
        before.at -= HOURS
        monkeypatch.setattr(follower, "_AT_ONCE", 20)
        killed_after(before, writes, monkeypatch)
        with pytest.raises(_Killed):
            await before.broker.scheduler.tick()
        killed = files_of_killed(tmp_path, "killed")
        monkeypatch.undo()
    async with reopened(killed, START - HOURS - again) as after:
        await after.turn(1_799_000)
        assert after.sent == []
        await after.publish(f"{URL}0", Upstash_Deduplication_Id="0")
        await after.publish(f"{URL}49", Upstash_Deduplication_Id="49")
        await after.turn(2_000)
        assert len(after.sent) == 52


async def test_a_broker_that_is_killed_between_two_schedules_brings_the_others_forward_after_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number:02}" for number in range(25)]
    async with reopened(tmp_path, START) as before:
        for name in names:
            await before.call("POST", f"/v2/schedules/{URL}{name}", Upstash_Cron="0 * * * *", Upstash_Schedule_Id=name)
        await before.settle()
        before.at -= HOURS
        monkeypatch.setattr(follower, "_AT_ONCE", 10)
        killed_after(before, 5, monkeypatch)
        with pytest.raises(_Killed):
            await before.broker.scheduler.tick()
        (node,) = await before.broker.desk.read(lambda tx: tx.find(Node, Query()))
        assert node.set_back is not None
        assert node.set_back.after_key == ("one", names[9])
        killed = files_of_killed(tmp_path, "killed")
        monkeypatch.undo()
    async with reopened(killed, START - HOURS) as after:
        await after.turn(3_600_000)
        assert sorted(one.url for one in after.sent) == [f"{URL}{name}" for name in names]


async def test_while_what_waited_is_brought_forward_a_retry_that_was_just_planned_keeps_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reopened(tmp_path, START) as before:
        before.respond = answering(500)
        before.held = asyncio.Event()
        await before.publish(f"{URL}retried", Upstash_Retry_Delay="3600000")
        await before.settle()
        before.at -= HOURS
        killed_after(before, 1, monkeypatch)
        with pytest.raises(_Killed):
            await before.broker.scheduler.tick()
        monkeypatch.undo()
        before.held.set()
        await before.broker.dispatcher.idle()
        before.held = None
        await before.turn(3_590_000)
        assert len(before.sent) == 1
        await before.turn(11_000)
        assert len(before.sent) == 2


async def test_a_wait_that_begins_before_anybody_has_looked_at_the_clock_lasts_as_long_as_asked() -> None:
    async with inprocess() as ringed:
        started = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": "wfr_1", "Upstash-Delay": "9h"}
        await ringed.call("POST", "/v2/batch", [{"destination": f"{URL}run", "headers": started, "body": "x"}])
        await ringed.settle()
        ringed.at -= HOURS
        step = {"stepId": 1, "stepName": "wait", "stepType": "Wait", "waitEventId": "event", "timeout": "1h"}
        of_run = {"Upstash-Workflow-RunId": "wfr_1"}
        asked = {"url": f"{URL}run", "timeout": "1h", "step": step, "timeoutHeaders": of_run}
        answer = await ringed.call("POST", "/v2/wait/event", asked)
        assert answer.status == 200, answer
        await ringed.turn(3_500_000)
        assert len((await ringed.call("GET", "/v2/waiters/event")).json) == 1
        await ringed.turn(200_000)
        assert (await ringed.call("GET", "/v2/waiters/event")).json == []


async def test_a_deduplication_id_that_had_expired_is_not_taken_anew() -> None:
    async with inprocess() as ringed:
        await ringed.publish(URL, Upstash_Deduplication_Id="once")
        await ringed.turn(11 * 60_000)
        ringed.at -= HOURS
        await ringed.settle()
        await ringed.publish(URL, Upstash_Deduplication_Id="once")
        await ringed.settle()
        assert len(ringed.sent) == 2


async def test_a_schedule_that_no_message_told_of_is_followed_too(tmp_path: Path) -> None:
    async with reopened(tmp_path, START) as before:
        await before.call("POST", f"/v2/schedules/{URL}tick", Upstash_Cron="0 * * * *")
    async with reopened(tmp_path, START - HOURS) as after:
        await after.turn(3_600_000)
        assert len(after.sent) == 1


async def test_what_became_due_by_a_clock_that_was_set_ahead_while_the_broker_was_down_goes_out_once(
    tmp_path: Path,
) -> None:
    async with reopened(tmp_path, START) as before:
        await before.call("POST", f"/v2/schedules/{URL}tick", Upstash_Cron="*/10 * * * *")
        await before.publish(f"{URL}delayed", Upstash_Delay="1h")
        before.held = asyncio.Event()
        await before.publish(f"{URL}in-flight")
        await before.settle()
        (tmp_path / "killed").mkdir()
        for file in tmp_path.glob("ringback.db*"):
            shutil.copy(file, tmp_path / "killed")
    async with reopened(tmp_path / "killed", START + HOURS) as after:
        await after.settle()
        assert sorted(one.url.removeprefix(URL) for one in after.sent) == ["delayed", "in-flight", "tick"]


async def test_a_loop_that_sleeps_takes_its_turn_nevertheless() -> None:
    now, turns = START, 0

    def set_back() -> None:
        nonlocal now
        now -= HOURS

    async def tick() -> int:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(set_back)
        return now + 20

    loop = Loop("test", tick, lambda: now)
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(20):
        while turns < 3:
            await asyncio.sleep(0.001)
    task.cancel()


def test_clocks_that_differ_a_little_begin_no_new_period() -> None:
    lane = Lane("one", "flow", "key", rate=1, period=60, rate_count=1, period_at=START)
    assert lanes.rolled(lane, START - 30_000) == lane
    assert lanes.rolled(lane, START - HOURS).rate_count == 0
