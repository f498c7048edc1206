"""Several brokers on one store, in one process: who is at work, who is taken for dead, and who takes over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ringback.broker.changes import Changes
from ringback.broker.ids import SLOTS, Ids, slot_of
from ringback.broker.operations import nodes
from ringback.broker.records import DeadLetter, Delivery, Lane, Message, Node, Progress, RunRef, Schedule
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.stores.contract import Query, Store, StoreUnavailable
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.rows import TABLES
from ringback.wire.http import Outbound, Outcome
from support.inprocess import START, InProcess

TIMEOUT_MS = 600_000  # as the brokers of these tests are told
SECONDS = TIMEOUT_MS / 1000


@dataclass
class Elapsed:
    """The clock by which nodes judge each other."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> Elapsed:
    clock = Elapsed()
    monkeypatch.setattr("ringback.broker.engine.membership.elapsed", clock)
    monkeypatch.setattr("ringback.broker.operations.desk.elapsed", clock)
    return clock


@pytest.fixture(params=["memory", "postgres"])
def another(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Makes one more store on the same records."""
    if request.param == "memory":
        rows: dict[object, object] = {kind: {} for kind in TABLES}
        return lambda: MemoryStore(rows)  # type: ignore[arg-type]
    address = request.getfixturevalue("postgres").emptied()
    return lambda: PostgresStore(address, TIMEOUT_MS)


@pytest.fixture
async def two(another: Callable[[], Store], elapsed: Elapsed) -> AsyncIterator[tuple[InProcess, InProcess]]:
    """Two brokers that have joined."""
    first, second = InProcess(another()), InProcess(another())
    await first.broker.open()
    await second.broker.open()
    yield first, second
    for one in (first, second):
        if one.held is not None:
            one.held.set()
        elapsed.at += 1
        await one.broker.close(1.0)


async def present(ringed: InProcess) -> list[Node]:
    found: list[Node] = await ringed.store.read(nodes.nodes)
    return found


async def beat(ringed: InProcess) -> None:
    await ringed.broker.membership.tick()


async def test_nodes_have_slots_and_numbers_of_their_own(two: tuple[InProcess, InProcess]) -> None:
    first, second = (one.broker.desk for one in two)
    assert first.node.slot != second.node.slot
    assert second.node.number > first.node.number
    made = {one.ids.new() for one in (first, second) for _ in range(1000)}
    assert len(made) == 2000
    assert [slot_of(one.ids.new()) for one in (first, second)] == [first.node.slot, second.node.slot]


async def test_slots_are_given_in_turn_and_there_are_64_of_them(another: Callable[[], Store]) -> None:
    store = another()
    await store.open()
    ids = Ids(lambda: START)

    def join() -> "asyncio.Future[Node]":
        return store.write(lambda tx: nodes.join(tx, ids, START, None, alone=False))  # type: ignore[return-value]

    joined = [await join() for _ in range(SLOTS)]
    assert [node.slot for node in joined] == [(joined[0].slot + turn) % SLOTS for turn in range(SLOTS)]
    with pytest.raises(StoreUnavailable, match="64 brokers"):
        await join()
    await store.write(lambda tx: nodes.leave(tx, joined[9]))
    assert (await join()).slot == joined[9].slot
    await store.close()


async def test_a_silent_node_is_taken_over_and_its_outcome_changes_nothing(
    two: tuple[InProcess, InProcess], elapsed: Elapsed
) -> None:
    first, second = two
    first.held = asyncio.Event()
    message = await first.publish("https://e.example/in", upstash_retries="3")
    await beat(second)
    elapsed.at += SECONDS / 2
    await beat(second)
    assert len(await present(second)) == 2
    elapsed.at += SECONDS
    await beat(second)
    assert [node.number for node in await present(second)] == [second.broker.desk.node.number]
    await second.settle()
    assert [len(one.sent) for one in two] == [1, 1]
    first.held.set()  # the first one hears its answer at last
    await first.settle()
    states = await second.events(message)
    assert states.count("DELIVERED") == 1
    assert states[-1] in ("DELIVERED", "ACTIVE")  # what it noted of its own attempt may come later


async def test_a_node_that_cannot_be_heard_starts_nothing_and_breaks_off_what_it_does(
    two: tuple[InProcess, InProcess], elapsed: Elapsed
) -> None:
    first, _ = two
    first.held = asyncio.Event()
    await first.publish("https://e.example/in")
    await asyncio.sleep(0)
    elapsed.at += SECONDS * 0.7
    assert (await first.call("GET", "/readyz", token=None)).status == 503
    await first.publish("https://e.example/later")
    await first.broker.membership.step_back()
    await first.broker.dispatcher.idle()
    assert [one.url for one in first.sent] == ["https://e.example/in"]
    first.held = None
    await beat(first)  # it is heard again, in time
    assert (await first.call("GET", "/readyz", token=None)).status == 200
    await beat(first)
    await beat(first)
    await first.settle()
    assert sorted(one.url for one in first.sent[1:]) == ["https://e.example/in", "https://e.example/later"]


async def test_a_node_that_was_taken_for_dead_begins_anew(two: tuple[InProcess, InProcess], elapsed: Elapsed) -> None:
    first, second = two
    before = first.broker.desk.node
    await beat(second)
    elapsed.at += SECONDS * 1.1
    await beat(second)
    await beat(first)
    after = first.broker.desk.node
    assert after.number > before.number
    assert after.slot != before.slot
    assert len(await present(first)) == 2
    await first.publish("https://e.example/in")
    await first.settle()
    assert len(first.sent) == 1


async def test_a_node_that_leaves_gives_back_what_it_could_not_finish(
    two: tuple[InProcess, InProcess], elapsed: Elapsed
) -> None:
    first, second = two
    first.held = asyncio.Event()
    key = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=1"}
    await first.publish("https://e.example/in", **key)
    await asyncio.sleep(0)
    await first.broker.dispatcher.drain(0.01)
    await first.broker.membership.leave()
    await second.settle()
    assert len(second.sent) == 1
    lane = await second.store.read(lambda tx: tx.get(Lane, "one", "flow", "k"))
    assert lane is not None
    assert (lane.active, lane.waiting) == (0, 0)


async def test_what_was_to_be_canceled_is_not_attempted_again_when_its_node_dies(
    two: tuple[InProcess, InProcess], elapsed: Elapsed
) -> None:
    first, second = two
    first.held = asyncio.Event()
    key = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=1"}
    message = await first.enqueue("q", "https://e.example/in", **key)
    assert (await second.call("DELETE", f"/v2/messages/{message}")).status == 202
    await beat(second)
    elapsed.at += SECONDS * 1.1
    await beat(second)
    await second.settle()
    assert second.sent == []
    assert (await second.events(message))[-1] == "CANCELED"
    for kind, name in (("flow", "k"), ("queue", "q")):
        lane = await second.store.read(lambda tx, kind=kind, name=name: tx.get(Lane, "one", kind, name))  # type: ignore[misc]
        assert lane is not None
        assert (lane.active, lane.waiting) == (0, 0)


async def test_silence_counts_from_when_a_node_was_seen_not_from_when_it_was_asked_for(
    two: tuple[InProcess, InProcess], elapsed: Elapsed
) -> None:
    """A look that took long, because the database was away, says nothing about how long the others have been silent."""
    _, second = two
    write = second.broker.desk.write

    async def slow(*of: object, **more: object) -> object:
        elapsed.at += SECONDS * 1.1
        return await write(*of, **more)  # type: ignore[arg-type]

    second.broker.desk.write = slow  # type: ignore[method-assign, assignment]
    await beat(second)
    second.broker.desk.write = write  # type: ignore[method-assign]
    await beat(second)
    assert len(await present(second)) == 2


async def test_a_lease_that_its_node_knows_nothing_of_is_found(two: tuple[InProcess, InProcess]) -> None:
    """The answer to a commit was lost: the message is leased to a node that was never handed it."""
    first, _ = two
    desk = first.broker.desk
    seq = desk.ids.new()
    message = Message(seq, "one", "https://e.example/in", "POST", (), b"", first.at, first.at, 3, 1000)
    lost = Delivery(seq, "one", due_at=first.at, lease=desk.node.number)
    await first.store.write(lambda tx: tx.apply(Changes(put=[message, lost])))
    await beat(first)
    assert first.sent == []
    await beat(first)
    await first.settle()
    assert len(first.sent) == 1


async def test_what_is_being_attempted_is_not_mistaken_for_lost(two: tuple[InProcess, InProcess]) -> None:
    first, _ = two
    first.held = asyncio.Event()
    await first.publish("https://e.example/in")
    for _ in range(4):
        await beat(first)
    first.held.set()
    await first.settle()
    assert len(first.sent) == 1


async def test_a_schedule_fires_once_whoever_looks(two: tuple[InProcess, InProcess]) -> None:
    first, second = two
    await first.call("POST", "/v2/schedules/https://e.example/cron", upstash_cron="* * * * *")
    for _ in range(5):
        for one in two:
            one.at += 60_000
        await asyncio.gather(*(one.broker.scheduler.tick() for one in two for _ in range(2)))
        await asyncio.gather(*(one.settle() for one in two))
    assert sum(len(one.sent) for one in two) == 5
    assert len(await second.store.read(lambda tx: tx.find(Schedule, Query()))) == 1


async def test_a_schedule_that_is_resumed_where_the_clock_is_behind_fires_once_for_a_tick(
    two: tuple[InProcess, InProcess],
) -> None:
    ahead, behind = two
    url = "/v2/schedules/https://e.example/cron"
    name = (await ahead.call("POST", url, upstash_cron="* * * * *")).json["scheduleId"]
    to_the_minute = 60_000 - START % 60_000
    ahead.at += to_the_minute
    behind.at += to_the_minute - 2_000
    await ahead.settle()
    for how in ("pause", "resume"):
        assert (await behind.call("POST", f"/v2/schedules/{name}/{how}")).status == 200
    behind.at += 2_000
    await behind.settle()
    assert sum(len(one.sent) for one in two) == 1
    behind.at += 60_000
    await behind.settle()
    assert sum(len(one.sent) for one in two) == 2


async def test_lanes_hold_across_nodes_and_both_take_their_part(two: tuple[InProcess, InProcess]) -> None:
    running = most = 0

    async def send(outbound: Outbound) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        for one in two:
            one.sent.append(outbound)
        return Outcome(200, [], b"ok")

    for one in two:
        one.broker.dispatcher._sender = type("Sender", (), {"send": staticmethod(send)})()
    key = {"upstash_flow_control_key": "k", "upstash_flow_control_value": "parallelism=3"}
    await asyncio.gather(*(one.publish("https://e.example/in", **key) for one in two for _ in range(40)))
    for _ in range(200):
        await asyncio.gather(*(one.settle() for one in two))
        if len(two[0].sent) == 80:
            break
    assert len(two[0].sent) == 80
    assert most == 3
    lane = await two[1].store.read(lambda tx: tx.get(Lane, "one", "flow", "k"))
    assert lane is not None
    assert (lane.active, lane.waiting) == (0, 0)


@pytest.mark.parametrize("run", [None, RunRef(7)])
async def test_a_dead_letter_is_deleted_once_whoever_is_asked(
    two: tuple[InProcess, InProcess], run: RunRef | None
) -> None:
    """All find the same page; who comes later has not deleted it, and is told where the next one begins all the same."""
    first, where = two[0], "v2/workflows/dlq" if run else "v2/dlq"
    desk = first.broker.desk
    number = run.run if run else 0
    for _ in range(5):
        message = Message(desk.ids.new(), "one", "https://e.example/in", "POST", (), b"", 0, 0, 3, 1000, run=run)
        facets = facets_of(message)
        buried = [
            DeadLetter(desk.ids.new(), "one", message.seq, 500, (), b"", run=number, facets=facets) for _ in "123456"
        ]
        put = [message, *described(message, first.at), *buried]
        await desk.write(lambda tx, _, put=put: tx.apply(Changes(put=put)))  # type: ignore[misc]
        answers = await asyncio.gather(*(one.call("DELETE", f"/{where}?count=2") for one in two for _ in range(3)))
        left = await desk.read(lambda tx: tx.count(DeadLetter))
        assert sum(answer.json["deleted"] for answer in answers) == 6 - left, answers
        await desk.write(lambda tx, _: tx.apply(Changes(drop=list(tx.find(DeadLetter, Query())))))


async def test_brokers_tell_each_other_what_they_hold_in_memory(postgres: object, elapsed: Elapsed) -> None:
    address = postgres.emptied()  # type: ignore[attr-defined]
    first, second = (InProcess(PostgresStore(address, TIMEOUT_MS)) for _ in range(2))
    await first.broker.open()
    await second.broker.open()
    alive: asyncio.Queue[int] = asyncio.Queue()
    woken = asyncio.Event()
    first.broker.dispatcher.keep_waiting = alive.put_nowait  # type: ignore[method-assign]
    second.store.on_woken(woken.set)
    rotated = (await second.call("POST", "/v2/keys/rotate")).json
    await second.store.write(lambda tx: tx.apply(Changes(put=[Progress(7, 9, 1, START, "half")])))
    async with asyncio.timeout(20):
        assert await alive.get() == 9
        while first.broker.keyring.current("one") != rotated["current"]:
            await asyncio.sleep(0.01)
        first.held = asyncio.Event()
        first.broker.dispatcher._limit = 1
        await first.publish("https://e.example/in")
        await first.publish("https://e.example/in")
        await woken.wait()
    first.held.set()
    await asyncio.gather(first.settle(), second.settle())
    assert sorted(len(one.sent) for one in (first, second)) in ([0, 2], [1, 1])
    await first.broker.close(1)
    await second.broker.close(1)


def test_one_file_has_one_node(tmp_path: Path) -> None:
    """With SQLite whoever opens the file is alone: the former process is gone, and nothing waits for a timeout."""
    from ringback.broker.stores.sqlite import SqliteStore

    async def open_and_crash() -> list[Node]:
        ringed = InProcess(SqliteStore(tmp_path / "ringback.db"))
        await ringed.broker.open()
        known = await present(ringed)
        await ringed.store.close()
        return known

    first, second = asyncio.run(open_and_crash()), asyncio.run(open_and_crash())
    assert [len(first), len(second)] == [1, 1]
    assert first[0].number < second[0].number
