"""What every store must do, asked of each of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes, Handed
from ringback.broker.records import DeadLetter, Delivery, Event, Lane, Message
from ringback.broker.stores.contract import Query, Store, Transaction, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = MemoryStore()
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.db")
    elif request.param == "postgres":
        opened = PostgresStore(request.getfixturevalue("postgres").emptied(), 15_000)
    await opened.open()
    yield opened
    await opened.close()


def message(seq: int, **fields: object) -> Message:
    plain = Message(seq, "t", f"https://h{seq}.example/p", "POST", (), b"x", 1, 1, 3, 1000)
    return replace(plain, **fields)


async def put(store: Store, *records: object) -> None:
    await store.write(lambda tx: tx.apply(Changes(put=list(records))))  # type: ignore[arg-type]


async def test_what_was_put_is_read_back_the_same(store: Store) -> None:
    written = message(7, labels=("a", "b"), headers=(("X", "ü"),), body=b"\x00\xff")
    await put(store, written)
    assert await store.read(lambda tx: tx.get(Message, 7)) == written


async def test_a_record_with_the_same_key_replaces_the_old_one(store: Store) -> None:
    await put(store, Delivery(1, "t", due_at=5, wake_at=5))
    await put(store, Delivery(1, "t", due_at=9, lane="x"))
    found = await store.read(lambda tx: tx.find(Delivery, Query()))
    assert found == [Delivery(1, "t", due_at=9, lane="x")]


async def test_a_job_sees_what_it_has_applied(store: Store) -> None:
    def job(tx: Transaction) -> tuple[object, int, int]:
        tx.apply(Changes(put=[Lane("t", "queue", "q", wake_at=3)]))
        seen = tx.get(Lane, "t", "queue", "q"), tx.count(Lane, Where("wake_at", "<=", 3))
        tx.apply(Changes(drop=[Lane("t", "queue", "q")]))
        return *seen, tx.count(Lane)

    lane, before, after = await store.write(job)
    assert (lane, before, after) == (Lane("t", "queue", "q", wake_at=3), 1, 0)


async def test_a_job_that_raises_leaves_nothing_and_harms_no_other(store: Store) -> None:
    def fail(tx: Transaction) -> None:
        tx.apply(Changes(put=[message(1)]))
        raise ValueError("no")

    refused = store.write(fail)
    kept = store.write(lambda tx: tx.apply(Changes(put=[message(2)])))
    also = store.write(lambda tx: tx.apply(Changes(put=[message(3)])))
    with pytest.raises(ValueError, match="no"):
        await refused
    await kept
    await also
    found = await store.read(lambda tx: [one.seq for one in tx.find(Message, Query(order=("seq",)))])
    assert found == [2, 3]


async def test_a_refusal_that_rests_on_what_was_just_written_is_told_when_that_is_durable(store: Store) -> None:
    """Or it would be wrong where the transaction is given up."""
    told_early: list[bool] = []
    answers: list[Any] = []
    store.on_handed(lambda _: told_early.append(any(one.done() for one in answers)))

    def refuse_if_there(tx: Transaction) -> None:
        if tx.get(Lane, "t", "flow", "k") is not None:
            raise LookupError

    answers.append(store.write(lambda tx: tx.apply(Changes(put=[Lane("t", "flow", "k")]))))
    answers.append(store.write(refuse_if_there))
    await answers[0]
    with pytest.raises(LookupError):
        await answers[1]
    assert told_early
    assert not any(told_early)


async def test_changes_are_seen_once_they_are_durable_and_before_the_answer(store: Store) -> None:
    seen: list[str] = []
    store.on_handed(lambda applied: seen.extend(one.message.url for changes in applied for one in changes.handed))
    handed = Handed(message(1), Delivery(1, "t", due_at=1, lease=5))
    await store.write(lambda tx: tx.apply(Changes(handed=[handed])))
    assert seen == ["https://h1.example/p"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Where("wake_at", "<=", 20), [1, 2]),
        (Where("wake_at", "<", 20), [1]),
        (Where("wake_at", ">", 10), [2, 3]),
        (Where("wake_at", ">=", 20), [2, 3]),
        (Where("wake_at", "=", 20), [2]),
        (Where("wake_at", "!=", 20), [1, 3]),
        (Where("wake_at", "in", (10, 30)), [1, 3]),
        (Where("wake_at", "null"), [4]),
        (Where("wake_at", "not null"), [1, 2, 3]),
        (Where("message.url", "in", ("https://h2.example/p", "https://h4.example/p")), [2, 4]),
        (Where("message.host", "in", ("h3.example",)), [3]),
        (Where("message.path", "in", ("/p",)), [1, 2, 3, 4]),
        (Where("message.url", "prefix", ("https://h1", "https://h2.")), [1, 2]),
        (Where("message.url", "prefix", ("https://%",)), []),
        (Where("message.labels", "contains", ("blue", "none")), [2, 3]),
        (Where("message.labels", "contains", ("blu",)), []),
    ],
)
async def test_conditions(store: Store, where: Where, expected: list[int]) -> None:
    labels = {2: ("blue", "red"), 3: ("blue",)}
    await put(store, *(message(seq, labels=labels.get(seq, ())) for seq in (1, 2, 3, 4)))
    wakes = {1: 10, 2: 20, 3: 30, 4: None}
    await put(store, *(Delivery(seq, "t", due_at=0, wake_at=at) for seq, at in wakes.items()))
    found = await store.read(lambda tx: tx.find(Delivery, Query((where,), order=("seq",))))
    assert [one.seq for one in found] == expected
    assert await store.read(lambda tx: tx.count(Delivery, where)) == len(expected)


async def test_order_and_limit(store: Store) -> None:
    await put(store, *(Event(pos, "t", 1, "CREATED", pos) for pos in (3, 1, 2)))
    newest = await store.read(lambda tx: tx.find(Event, Query(order=("pos",), descending=True, limit=2)))
    assert [event.pos for event in newest] == [3, 2]


async def test_a_waiting_message_comes_in_the_order_of_its_lane(store: Store) -> None:
    await put(store, *(Delivery(seq, "t", due_at=due, lane="l") for seq, due in ((1, 9), (2, 3), (3, 3))))
    line = Query((Where("lane", "=", "l"),), order=("due_at", "seq"), limit=2)
    assert [one.seq for one in await store.read(lambda tx: tx.find(Delivery, line))] == [2, 3]


async def test_thousands_of_jobs_at_once_are_all_answered(store: Store) -> None:
    jobs = [store.write(lambda tx, seq=seq: tx.apply(Changes(put=[message(seq)]))) for seq in range(1000)]  # type: ignore[misc]
    for job in jobs:
        await job
    assert await store.read(lambda tx: tx.count(Message)) == 1000


async def test_sqlite_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    for start in range(2):
        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        await put(store, DeadLetter(start, "t", 1, 500, (), b""))
        count = await store.read(lambda tx: tx.count(DeadLetter))
        assert count == start + 1
        await store.close()


@pytest.mark.parametrize(
    ("kind", "query", "index"),
    [
        (Delivery, Query((Where("wake_at", "<=", 5),), order=("wake_at",)), "deliveries_by_wake_at"),
        (Delivery, Query((Where("lane", "=", "x"),), order=("due_at", "seq")), "deliveries_by_lane_due_at"),
        (Delivery, Query((Where("lease", "not null"),)), "deliveries_by_lease"),
        (Event, Query((Where("message", "=", 5),), order=("pos",)), "events_by_message_pos"),
    ],
)
async def test_hot_queries_use_their_index(tmp_path: Path, kind: type, query: Query, index: str) -> None:
    from ringback.broker.stores import sql

    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    statement, values = sql.find_statement(kind, query)
    plan = list(store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))
    await store.close()
    assert index in str(plan)
    assert "TEMP B-TREE" not in str(plan)
