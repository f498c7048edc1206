"""The index of history that SQLite writes later: whatever comes between, it and what is not in it yet are all there is."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from ringback.broker.changes import Changes
from ringback.broker.records import Event, Message, Record, State
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.stores import deferred
from ringback.broker.stores.backup import problems
from ringback.broker.stores.contract import Query, Store, StoreUnavailable, Transaction, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.sqlite import SqliteStore

STATES: tuple[State, ...] = ("CREATED", "ACTIVE", "DELIVERED", "ERROR")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "BATCH", 12)
    monkeypatch.setattr(deferred, "_MOST_LEFT", 1000)
    monkeypatch.setattr(deferred, "_STEP", 3)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await fresh(tmp_path)
    yield opened
    await opened.close()


async def fresh(folder: Path) -> SqliteStore:
    opened = SqliteStore(folder / "store.db")
    await opened.open()
    return opened


def message(seq: int) -> Message:
    return Message(seq, "t", f"https://{seq % 5}.example", "POST", (), b"", 0, 0, 3, 1000)


def event(pos: int) -> Event:
    """Return an event; the same place always has the same one."""
    about = message(pos // 3)
    return Event(pos, "t", about.seq, STATES[pos % 4], 0, facets=facets_of(about))


async def put(store: Store, *positions: int) -> None:
    written: list[Record] = []
    for pos in positions:
        about = message(pos // 3)
        written += [about, *described(about, 0), event(pos)]
    await store.write(lambda tx: tx.apply(Changes(put=written)))


async def drop(store: Store, *positions: int) -> None:
    await store.write(lambda tx: tx.apply(Changes(drop=[event(pos) for pos in positions])))


async def found(store: Store, host: str) -> list[int]:
    where = (Where("tenant", "=", "t"), Where("message.host", "in", (host,)))
    events = await store.read(lambda tx: tx.find(Event, Query(where, ("pos",), descending=True)))
    return [one.pos for one in events]


async def compare(store: SqliteStore, model: Store) -> None:
    """Hold what is found to what the model finds, by host and by facets alone, and what `ringback doctor` says."""
    for host in range(5):
        assert await found(store, f"{host}.example") == await found(model, f"{host}.example")
        of = Query((Where("facets", "=", facets_of(message(host))),), limit=1000)
        ways = (store.read, store.write, model.read)
        read, written, expected = [await way(lambda tx, of=of: tx.find(Event, of)) for way in ways]  # type: ignore[misc]
        assert {one.pos for one in read} == {one.pos for one in written} == {one.pos for one in expected}
        assert len(read) == len(written) == len(expected)


@pytest.mark.parametrize("seed", [1, 5, 9, 10])
async def test_pages_are_right_after_whatever_happened(tmp_path: Path, seed: int) -> None:
    """Events come in order and late, some twice, some go; jobs fail, and the broker is started anew."""
    chance, model, store = random.Random(seed), MemoryStore(), await fresh(tmp_path)
    next_, there = 10, set[int]()
    for _ in range(40):
        what = chance.random()
        if what < 0.6:
            some = list(range(next_, next_ + chance.randrange(1, 9)))
            late = [pos for pos in some if chance.random() < 0.2]
            next_ += len(some) + 3
            some = [pos for pos in some if pos not in late] + [next_ - 10 - chance.randrange(next_ - 9)][: len(late)]
            there.update(some)
            for one in (model, store):
                await put(one, *some)
        elif what < 0.8 and there:
            gone = chance.sample(sorted(there), min(len(there), 3))
            there.difference_update(gone)
            for one in (model, store):
                await drop(one, *gone)
        elif what < 0.9:
            await fail(store, next_, sorted(there)[:2])
        else:
            await store.close()
            store = await fresh(tmp_path)
        await compare(store, model)
    assert problems(tmp_path / "store.db") == []
    assert deferred.indexed_upto(store._connection.execute, deferred.TABLES[Event]) > 0
    await store.close()


async def fail(store: SqliteStore, pos: int, gone: list[int]) -> None:
    """Write and drop in a transaction that is given up."""

    def job(tx: Transaction) -> None:
        tx.apply(Changes(put=[event(pos), event(1)], drop=[event(one) for one in gone]))
        tx.find(Event, Query(limit=1))  # writes what was gathered
        raise ValueError("given up")

    with pytest.raises(ValueError, match="given up"):
        await store.write(job)


async def test_a_commit_that_fails_leaves_nothing_out(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MemoryStore()
    for one in (model, store):
        await put(one, *range(10, 24))
    assert store._index._batch
    before = len(store._index._batch)
    monkeypatch.setattr(store._committer, "_commit", lambda: store._connection.execute("SELECT * FROM nowhere"))
    with pytest.raises(StoreUnavailable):
        await put(store, 30)
    assert len(store._index._batch) == before
    monkeypatch.undo()
    monkeypatch.setattr(deferred, "_STEP", 3)
    for pos in range(40, 60):
        for one in (model, store):
            await put(one, pos)
    await compare(store, model)


async def test_a_batch_comes_to_an_end_however_much_comes_meanwhile(store: SqliteStore) -> None:
    for begin in range(0, 1000, 50):
        await put(store, *range(begin, begin + 50))
        assert len(store._index._batch) + store._index._count <= 150


async def test_few_events_make_no_batch_and_no_page_is_written_for_them(store: SqliteStore) -> None:
    await put(store, *range(10, 20))
    assert list(store._connection.execute("SELECT count(*) FROM events_deferred_index")) == [(0,)]
    assert await found(store, "4.example") == [14, 13, 12]


async def test_a_file_that_was_filled_by_other_means_is_indexed_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await fresh(tmp_path)
    await put(store, *range(10, 20))
    await store.close()
    monkeypatch.setattr(deferred, "_MOST_LEFT", 10)
    store = await fresh(tmp_path)
    assert list(store._connection.execute("SELECT count(*) FROM events_deferred_index")) == [(10,)]
    assert await found(store, "4.example") == [14, 13, 12]
    await store.close()


async def test_an_index_that_lacks_an_event_is_told(tmp_path: Path) -> None:
    store = await fresh(tmp_path)
    for begin in range(10, 70, 10):
        await put(store, *range(begin, begin + 10))
    await store.close()
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("DELETE FROM events_deferred_index WHERE pos = 11")
    connection.close()
    assert "1 events" in problems(tmp_path / "store.db")[0].text


async def test_facets_that_only_events_carry_that_are_not_indexed_are_found(store: SqliteStore) -> None:
    await put(store, 10, 11)
    of = Query((Where("facets", "=", facets_of(message(3))),), limit=1)
    assert [one.pos for one in await store.write(lambda tx: tx.find(Event, of))] == [10]
    await drop(store, 10, 11)
    assert await store.write(lambda tx: tx.find(Event, of)) == []
