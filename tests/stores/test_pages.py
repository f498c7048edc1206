"""Pages of filtered history are the same from every store, by whichever way they are found, and no way reads all rows."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.runs.cancel import of_runs
from ringback.broker.operations.selection import about_message
from ringback.broker.records import DeadLetter, Event, Facets, Message, Record, Run, RunRef, State, Stretch
from ringback.broker.rules.facets import described, described_run, facets_of, with_facets
from ringback.broker.stores import deferred, pages
from ringback.broker.stores.contract import Query, Store, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.sqlite import SqliteStore
from ringback.wire.filters import Filter
from ringback.wire.options import FlowControl, Options

LONG = "x" * 300
STATES: tuple[State, ...] = ("CREATED", "ACTIVE", "ERROR", "DELIVERED", "FAILED")
RUN_STATES = ("RUN_STARTED", "RUN_SUCCESS", "RUN_FAILED")


def records(chance: random.Random) -> list[Record]:
    """Return history of messages of a few dozen sorts, of two tenants, and a run like each of them."""
    written: list[Record] = []
    for seq in range(1, 151):
        message = Message(
            seq,
            chance.choice(("one", "two")),
            f"https://{chance.choice('abc')}.example/{chance.choice('xy')}",
            "POST",
            (),
            b"",
            0,
            0,
            3,
            1000,
            labels=chance.choice(((), ("red",), ("red", LONG), ("blue",))),
            flow=chance.choice((None, FlowControl("key", 1))),
            caller_ip=chance.choice(("192.0.2.1", "192.0.2.2")),
            queue=chance.choice((None, None, "q")),
            run=chance.choice((None, RunRef(7))),
        )
        facets = facets_of(message)
        written += [message, *described(message, 0)]
        for number in range(chance.randrange(4)):
            pos = seq * 10 + number
            written.append(Event(pos, message.tenant, seq, chance.choice(STATES), 0, facets=facets))
            of_run = 7 if message.run else 0
            if chance.random() < 0.5:
                status = chance.choice((500, 503))
                written.append(DeadLetter(pos, message.tenant, seq, status, (), b"", run=of_run, facets=facets))
        run = run_like(message, chance)
        written += [run, *described_run(run, 0)]
    return written


def run_like(message: Message, chance: random.Random) -> Run:
    """Return a run with everything that a message is filtered by."""
    options = Options(labels=message.labels, flow_control=message.flow)
    run = Run(message.seq, message.tenant, f"wfr_{message.seq}", message.url, 0, options, caller_ip=message.caller_ip)
    return with_facets(replace(run, state=chance.choice(RUN_STATES)))


def asked(chance: random.Random) -> tuple[type[Record], Query]:
    """Return a query as the calls for history make them."""
    some = lambda *values: chance.choice(((), (), chance.sample(values, chance.randrange(1, len(values) + 1))))  # noqa: E731
    filter_ = Filter(
        urls=tuple(some("https://a.example/x", "https://b.example/y", "http://[")),
        hosts=tuple(some("a.example", "c.example")),
        paths=tuple(some("/x", "/y")),
        labels=tuple(some("red", "blue", LONG, "none")),
        queues=tuple(some("q")),
        flow_keys=tuple(some("key")),
        caller_ips=tuple(some("192.0.2.1")),
    )
    tenant = Where("tenant", "=", chance.choice(("one", "two")))
    if chance.random() < 0.3:
        return asked_of_runs(chance, [tenant, *of_runs(filter_)], filter_.urls, some(*RUN_STATES))
    where = [tenant, *about_message(filter_)]
    kind: type[Record] = Event
    if chance.random() < 0.4:
        kind = DeadLetter
        where.append(Where("run", chance.choice(("=", ">")), 0))
        where += [Where("status", "in", tuple(one)) for one in (some(500, 503),) if one]
    else:
        where += [Where("state", "in", tuple(one)) for one in (some(*STATES),) if one]
    if chance.random() < 0.5:
        where.append(Where("pos", chance.choice((">", "<", ">=")), chance.randrange(1500)))
    return kind, Query(tuple(where), ("pos",), chance.random() < 0.5, chance.choice((3, 1000)))


def asked_of_runs(
    chance: random.Random, where: list[Where], urls: Sequence[str], states: Sequence[str]
) -> tuple[type[Record], Query]:
    """Return a query as the calls for runs make them."""
    where += [Where("url", chance.choice(("in", "prefix")), tuple(urls))] if urls else []
    where += [Where("state", "in", tuple(states))] if states else []
    where += [Where("seq", chance.choice((">", "<", ">=")), chance.randrange(150))] if chance.random() < 0.5 else []
    return Run, Query(tuple(where), ("seq",), chance.random() < 0.5, chance.choice((3, 11)))


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = SqliteStore(tmp_path / "store.db")
    if request.param == "postgres":
        opened = PostgresStore(request.getfixturevalue("postgres").fresh(), 15_000)
    await opened.open()
    yield opened
    await opened.close()


async def note(store: Store, kind: type[Record], before: int) -> list[Stretch]:
    """Note what is about as far as a place, in stretches of seven records."""
    noted: list[Stretch] = []
    while found := await store.read(lambda tx: tx.next_stretch(kind, before, 7)):
        await store.write(lambda tx, one=found: tx.apply(Changes(put=[one])))  # type: ignore[misc]
        noted.append(found)
    return noted


async def write_in_parts(store: Store, written: list[Record]) -> None:
    """Write records in many transactions, so that only a part of them is in the index that is written later."""
    for begin in range(0, len(written), 10):
        part = written[begin : begin + 10]
        await store.write(lambda tx, part=part: tx.apply(Changes(put=part)))  # type: ignore[misc]


@pytest.mark.parametrize("batch", [20_000, 40, 1])
@pytest.mark.parametrize(("merged", "sorted_"), [(200, 20_000), (1, 20_000), (1, -1)])
async def test_a_page_is_the_same_whichever_way_it_is_found(
    store: Store, merged: int, sorted_: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if batch < 20_000 and isinstance(store, PostgresStore):
        pytest.skip("PostgreSQL keeps an ordinary index")
    monkeypatch.setattr(deferred, "BATCH", batch)
    monkeypatch.setattr(deferred, "_STEP", batch // 4)
    monkeypatch.setattr(pages, "_MERGED", merged)
    monkeypatch.setattr(pages, "_SORTED", sorted_)
    monkeypatch.setattr(pages, "_PROBED", 5)
    model, chance = MemoryStore(), random.Random(11)
    for one in (model, store):
        await write_in_parts(one, records(random.Random(3)))
    for kind in (Event, DeadLetter, Run):
        await note(store, kind, 1200 if kind is not Run else 100)
    full = 0
    for _ in range(120):
        kind, query = asked(chance)
        expected = await model.read(lambda tx, kind=kind, query=query: tx.find(kind, query))  # type: ignore[misc]
        found = await store.read(lambda tx, kind=kind, query=query: tx.find(kind, query))  # type: ignore[misc]
        assert found == expected, query
        full += bool(found)
    assert full > 20


async def test_stretches_follow_each_other_and_hold_what_cannot_change(store: Store) -> None:
    written = [one for one in records(random.Random(3)) if isinstance(one, Event)]
    await store.write(lambda tx: tx.apply(Changes(put=written)))
    noted = await note(store, Event, 700)
    assert [one.after for one in noted] == [-1, *(one.upto for one in noted[:-1])]
    for one in noted:
        assert sum(one.after < event.pos <= one.upto for event in written) == 7
    assert noted[-1].upto < 700
    assert sum(noted[-1].upto < event.pos < 700 for event in written) < 7


@pytest.mark.parametrize("descending", [True, False])
async def test_what_was_used_long_ago_is_found_without_reading_what_came_after(
    store: Store, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_MERGED", 1)
    monkeypatch.setattr(pages, "_SORTED", -1)
    monkeypatch.setattr(pages, "_PROBED", 1)
    history: list[Record] = []
    for seq in range(1, 141):
        host = "old" if seq in (40, 41, 100) else "new"
        message = Message(seq, "t", f"https://{host}.example", "POST", (), b"", 0, 0, 3, 1000, labels=(f"order-{seq}",))
        history += [*described(message, 0), Event(seq, "t", seq, "CREATED", 0, facets=facets_of(message))]
    await store.write(lambda tx: tx.apply(Changes(put=history)))
    noted = await note(store, Event, 130)
    overlapping = Stretch("events", noted[3].upto - 3, noted[3].after - 3, b"")  # as another broker might note it
    await store.write(lambda tx: tx.apply(Changes(put=[overlapping])))
    walked = []
    there = pages.segments
    monkeypatch.setattr(pages, "segments", lambda *args: walked.extend(there(*args)) or list(walked))
    query = Query((Where("tenant", "=", "t"), Where("message.host", "in", ("old.example",))), ("pos",), descending)
    found = await store.read(lambda tx: tx.find(Event, query))
    assert [one.pos for one in found] == ([100, 41, 40] if descending else [40, 41, 100])
    parts = [(after, min(upto, 140)) for after, upto in walked]
    assert parts == ([(126, 140), (98, 105), (35, 42)] if descending else [(35, 42), (98, 105), (126, 140)])


async def test_runs_that_a_former_release_began_are_found_too(store: Store) -> None:
    runs = [one for one in records(random.Random(3)) if isinstance(one, Run)]
    older = replace(runs[0], seq=7000, facets=None)
    await store.write(lambda tx: tx.apply(Changes(put=[*runs, *described_run(runs[0], 0), older])))
    await store.write(lambda tx: tx.apply(Changes(put=[replace(older, state="RUN_FAILED")])))
    where = (Where("tenant", "=", older.tenant), Where("url", "in", (older.url,)))
    query = Query((*where, Where("state", "=", "RUN_FAILED")), ("seq",), descending=True, limit=1)
    assert await store.read(lambda tx: tx.find(Run, query)) == [replace(older, state="RUN_FAILED")]
    await store.write(lambda tx: tx.apply(Changes(drop=[older])))
    found = await store.read(lambda tx: tx.find(Run, Query(where, ("seq",), descending=True)))
    assert runs[0] in found


async def test_facets_are_written_once_a_day_and_again_when_they_were_dropped(store: Store) -> None:
    message = Message(1, "t", "https://a.example", "POST", (), b"", 0, 0, 3, 1000)
    (facets,) = described(message, 0)
    statements: list[int] = []
    for at in (0, 1000, 86_400_000):
        await store.write(lambda tx, at=at: tx.apply(Changes(put=described(message, at))))  # type: ignore[misc]
        found = await store.read(lambda tx: tx.find(Facets, Query()))
        statements.append(found[0].day)
    assert statements == [0, 0, 1]
    await store.write(lambda tx: tx.apply(Changes(drop=[facets])))
    await store.write(lambda tx: tx.apply(Changes(put=described(message, 5))))
    assert await store.read(lambda tx: tx.find(Facets, Query())) == [replace(facets, day=0)]


def is_bounded(statement: str, values: list[object], plan: str, upto: int) -> bool:
    """Whether rows are found by an index, or are those that the deferred index does not hold yet."""
    ways = ("_by_facets_", "_by_rare_", "_by_status_", "SEARCH i USING PRIMARY KEY (facets=?")
    is_rest = "r.facets IN (" in statement and 'r."pos" > ?' in statement and upto in values
    return any(way in plan for way in ways) or (is_rest and "SEARCH r USING INTEGER PRIMARY KEY (rowid>?" in plan)


async def test_no_filter_reads_all_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "BATCH", 100)
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await write_in_parts(store, records(random.Random(3)))
    chance = random.Random(5)
    plans: list[str] = []
    upto = store._index._upto
    assert upto > 0

    def ask(statement: str, values: list[object]) -> list[tuple[object, ...]]:
        plan = [row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        stops = ("LIMIT ?) r", "LIMIT ?) counted", "IS NULL LIMIT 1")
        if " r WHERE " in " ".join(statement.split()) and not any(one in statement for one in stops):
            plans.append(" | ".join(plan))
            assert is_bounded(statement, values, plans[-1], upto), plans[-1]
        return list(store._connection.execute(statement, values))

    for number in range(120):
        monkeypatch.setattr(pages, "_MERGED", 200 if number % 2 else 1)
        monkeypatch.setattr(pages, "_PROBED", 5)
        kind, query = asked(chance)
        pages.find(ask, kind, query, near=True)
    await store.close()
    assert any(" f" in plan for plan in plans)
    assert any(" f" not in plan for plan in plans)
    for plan in plans:
        assert "SCAN r" not in plan, "every row is read"
        assert "TEMP B-TREE" not in plan or " f" in plan, "only what is known to be little may be sorted"
