"""Records kept in memory by the SQLite store: a read gives what the last durable transaction left, whatever was tried since."""

import asyncio
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Run
from ringback.broker.stores.contract import Query, Transaction
from ringback.broker.stores.recent import Recent, nothing_written
from ringback.broker.stores.sqlite import SqliteStore
from ringback.wire.options import Options

RUN = Run(1, "t", "wfr_1", "https://app.example/run", 0, Options())


async def seen(store: SqliteStore, seq: int) -> Delivery | None:
    return await store.write(lambda tx: tx.get(Delivery, seq))


@pytest.fixture
async def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = SqliteStore(tmp_path / "recent.db")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_transaction_reads_its_own_writes_after_they_were_flushed(store: SqliteStore) -> None:
    await store.write(lambda tx: tx.apply(Changes(put=[Delivery(1, "t", 10)])))

    def job(tx: Transaction) -> list[Delivery | None]:
        tx.apply(Changes(put=[Delivery(1, "t", 20)], drop=[Delivery(2, "t", 0)]))
        tx.find(Delivery, Query())  # flushes
        return [tx.get(Delivery, 1), tx.get(Delivery, 2)]

    assert await store.write(job) == [Delivery(1, "t", 20), None]


async def test_what_was_given_up_was_never_there(store: SqliteStore) -> None:
    await store.write(lambda tx: tx.apply(Changes(put=[Delivery(1, "t", 10)])))

    def broken(tx: Transaction) -> None:
        tx.apply(Changes(put=[Delivery(1, "t", 20)], drop=[]))
        tx.find(Delivery, Query())
        raise ValueError("given up")

    with pytest.raises(ValueError, match="given up"):
        await store.write(broken)
    assert await seen(store, 1) == Delivery(1, "t", 10)


async def test_what_was_removed_is_gone(store: SqliteStore) -> None:
    await store.write(lambda tx: tx.apply(Changes(put=[Delivery(1, "t", 10)])))
    await store.write(lambda tx: tx.apply(Changes(drop=[Delivery(1, "t", 10)])))
    assert await seen(store, 1) is None


async def test_readers_see_the_file_and_not_what_writers_keep(store: SqliteStore) -> None:
    for due in range(5):
        await store.write(lambda tx, due=due: tx.apply(Changes(put=[Delivery(1, "t", due)])))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.get(Delivery, 1)) == Delivery(1, "t", due)


async def test_a_record_that_is_kept_is_not_read(store: SqliteStore, tmp_path: Path) -> None:
    await store.write(lambda tx: tx.apply(Changes(put=[Delivery(1, "t", 10)])))
    other = apsw.Connection(str(tmp_path / "recent.db"))
    other.execute("DELETE FROM deliveries")  # as nobody does: it tells where an answer comes from
    other.close()
    assert await seen(store, 1) == Delivery(1, "t", 10)


async def test_jobs_that_come_together_see_each_other(store: SqliteStore) -> None:
    def later(tx: Transaction) -> None:
        known = tx.get(Delivery, 1)
        tx.apply(Changes(put=[Delivery(1, "t", known.due_at + 1 if known else 0)]))

    await asyncio.gather(*(store.write(later) for _ in range(10)))
    assert await seen(store, 1) == Delivery(1, "t", 9)


def test_above_the_most_all_are_forgotten_but_the_newest() -> None:
    recent = Recent(most=2)
    for seq in range(3):
        written = nothing_written()
        written[Delivery][(seq,)] = Delivery(seq, "t", 0)
        recent.learn(written)
    assert list(recent.records[Delivery]) == [(2,)]


def test_a_run_that_has_ended_is_read_from_the_file() -> None:
    recent, run = Recent(), RUN
    for one in (run, replace(run, state="RUN_SUCCESS", result="x" * 1_000_000)):
        written = nothing_written()
        written[Run][1,] = one
        recent.learn(written)
        assert list(recent.records[Run].values()) == ([run] if one is run else [])


async def test_a_large_run_is_read_from_the_file_and_takes_no_memory(store: SqliteStore, tmp_path: Path) -> None:
    small, large = RUN, replace(RUN, seq=2, headers=(("X-Large", "x" * 10_000),))
    for entries in range(2):
        of_run = [replace(one, entries=entries) for one in (small, large)]
        await store.write(lambda tx, put=of_run: tx.apply(Changes(put=[*put])))  # type: ignore[misc]
    assert await store.write(lambda tx: tx.get(Run, 2)) == replace(large, entries=1)
    assert list(store._recent.records[Run]) == [(1,)]
