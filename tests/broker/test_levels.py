"""How much there is: counted now and then, and never waited for twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringback.broker.operations import statistics
from ringback.broker.operations.statistics import Level, Levels
from ringback.broker.stores.contract import StoreUnavailable


class Store:
    """A desk whose counting takes as long as the test says."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.fails = False

    def read(self, _: Callable[[Any], Any]) -> Awaitable[Any]:
        async def answer() -> Level:
            self.asked += 1
            number = self.asked
            await self.may_answer.wait()
            if self.fails:
                raise StoreUnavailable("no disk")
            return Level(number, 0, 0)

        return answer()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr(statistics, "elapsed", lambda: time[0])
    return time


async def known(desk: Store, now: list[float]) -> Levels:
    """Levels that were counted once, which took ten seconds, and are old."""
    levels = Levels(desk)  # type: ignore[arg-type]
    first = asyncio.ensure_future(levels.get("one"))
    while not desk.asked:
        await asyncio.sleep(0)
    now[0] += 10
    desk.may_answer.set()
    assert (await first).pending == 1
    assert (await levels.get("one")).pending == 1
    desk.may_answer.clear()
    now[0] += 1000
    return levels


async def test_who_asks_while_millions_are_counted_is_told_what_was_counted_before(now: list[float]) -> None:
    desk = Store()
    levels = await known(desk, now)
    assert [(await levels.get("one")).pending for _ in range(2)] == [1, 1]
    assert desk.asked == 2
    desk.may_answer.set()
    assert (await levels.get("one")).pending == 2


async def test_who_does_not_want_to_wait_is_told_that_nothing_is_known_yet(now: list[float]) -> None:
    desk = Store()
    levels = Levels(desk)  # type: ignore[arg-type]
    assert [await levels.soon("one") for _ in range(2)] == [None, None]
    desk.may_answer.set()
    assert (await levels.get("one")).pending == 1
    assert now == [0.0]


async def test_those_who_come_first_wait_for_one_count(now: list[float]) -> None:
    desk = Store()
    levels = Levels(desk)  # type: ignore[arg-type]
    asking = [asyncio.ensure_future(levels.get("one")) for _ in range(3)]
    await asyncio.sleep(0)
    desk.may_answer.set()
    assert [level.pending for level in await asyncio.gather(*asking)] == [1, 1, 1]
    assert now == [0.0]


async def test_a_store_that_cannot_count_is_told_of_only_where_nothing_is_known(now: list[float]) -> None:
    desk = Store()
    levels = await known(desk, now)
    desk.fails = True
    desk.may_answer.set()
    assert (await levels.get("one")).pending == 1
    with pytest.raises(StoreUnavailable):
        await levels.get("two")
    await levels.prepare(["two"])


async def test_a_count_that_fails_when_who_asked_is_gone_is_no_fault_of_the_loop(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_PATIENCE_S", 0)
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    desk = Store()
    desk.fails = True
    asking = asyncio.ensure_future(Levels(desk).get("one"))  # type: ignore[arg-type]
    for _ in range(20):  # it waits for the count by now
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    desk.may_answer.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert faults == []
