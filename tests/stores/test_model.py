"""PostgreSQL and SQLite against the memory store, the model: whatever is done to them, they answer the same."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.broker.changes import Changes
from ringback.broker.records import Dedup, Delivery, Event, Lane, Message, Record
from ringback.broker.stores.contract import Query, Store, Transaction, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.sqlite import SqliteStore
from support.postgres import Server

SEQS = st.integers(0, 5)
NAMES = st.sampled_from(["a", "B", "ü", "a\x00", "%", "_x", ""])
TIMES = st.none() | st.integers(0, 6)


def message(seq: int, url: str) -> Message:
    return Message(seq, "t", f"https://{url}.example/", "POST", (), b"", 1, 1, 3, 1000)


RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(message, SEQS, st.sampled_from(["a", "b"])),
    st.builds(Delivery, SEQS, NAMES, st.integers(0, 6), wake_at=TIMES, lane=st.none() | NAMES, lease=TIMES),
    st.builds(Lane, NAMES, st.sampled_from(["queue", "flow"]), NAMES, active=SEQS, wake_at=TIMES),
    st.builds(Dedup, NAMES, NAMES, SEQS, SEQS),
    st.builds(Event, SEQS, NAMES, SEQS, st.sampled_from(["CREATED", "ACTIVE"]), SEQS),
)
KEYS = {Message: "seq", Delivery: "seq", Event: "pos", Lane: "name", Dedup: "id"}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(RECORDS, max_size=4)),
        st.tuples(st.just("drop"), st.lists(RECORDS, max_size=2)),
        st.tuples(st.just("get"), RECORDS),
        st.tuples(st.just("fail"), RECORDS),
        st.tuples(st.just("due"), st.integers(0, 6)),
        st.tuples(st.just("all"), st.sampled_from(list(KEYS))),
    ),
    max_size=12,
)


def do(tx: Transaction, step: tuple[str, Any]) -> object:
    """Take one step; return what the store answered."""
    what, given_ = step
    match what:
        case "put":
            # a message and an event never change, so what is there already stays
            tx.apply(Changes(put=[one for one in given_ if _may_be_written(tx, one)]))
        case "drop":
            tx.apply(Changes(drop=given_))
        case "get":
            return tx.get(type(given_), *_key(given_)), tx.look(type(given_), *_key(given_))
        case "fail":
            tx.apply(Changes(put=[given_] if _may_be_written(tx, given_) else []))
            raise ZeroDivisionError
        case "due":
            due = Query((Where("wake_at", "<=", given_),), order=("wake_at", "seq"), limit=3)
            found = tx.claim(Delivery, due)
            tx.apply(Changes(put=[Delivery(one.seq, one.tenant, one.due_at, lease=given_) for one in found]))
            return found, tx.count(Delivery, Where("lease", "=", given_))
        case "all":
            return tx.find(given_, Query(order=(KEYS[given_],))), tx.count(given_)
    return None


def _key(record: Any) -> tuple[Any, ...]:
    return {Lane: lambda: (record.tenant, record.kind, record.name), Dedup: lambda: (record.tenant, record.id)}.get(
        type(record), lambda: (getattr(record, KEYS[type(record)]),)
    )()


def _may_be_written(tx: Transaction, record: Record) -> bool:
    return not isinstance(record, Message | Event) or tx.get(type(record), *_key(record)) is None


def told(answer: object) -> object:
    """Return an answer without the order of records that are equal in what was ordered by."""
    if isinstance(answer, tuple) and answer and isinstance(answer[0], list):
        return sorted(answer[0], key=repr), *answer[1:]
    return answer


async def live(store: Store, steps: list[tuple[str, Any]]) -> list[object]:
    """Take all steps, each as a job of its own, and return the answers."""
    answers: list[object] = []
    for step in steps:
        try:
            answers.append(told(await store.write(lambda tx, step=step: do(tx, step))))  # type: ignore[misc]
        except ZeroDivisionError:
            answers.append("failed")
    for kind in KEYS:
        answers.append(told(await store.read(lambda tx, kind=kind: do(tx, ("all", kind)))))  # type: ignore[misc]
        await store.write(lambda tx, kind=kind: tx.apply(Changes(drop=tx.find(kind, Query()))))  # type: ignore[misc]
    return answers


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened: Store = SqliteStore(Path(tmp_path_factory.mktemp("model")) / "store.db")
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        opened = PostgresStore(server.fresh(), 15_000)
    runner.run(opened.open())
    yield opened
    runner.run(opened.close())


def test_every_store_answers_as_the_model_does(store: Store, runner: asyncio.Runner) -> None:
    @settings(max_examples=150)
    @given(STEPS)
    def same(steps: list[tuple[str, Any]]) -> None:
        assert runner.run(live(store, steps)) == runner.run(live(MemoryStore(), steps))

    same()
