"""What is PostgreSQL's own: its schema, its plans, and jobs of several brokers on the same records."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ringback.broker.changes import Changes
from ringback.broker.ids import first_id_at
from ringback.broker.operations import due, nodes
from ringback.broker.operations.retention import forget_facets, forget_history, forget_messages
from ringback.broker.records import Dedup, Delivery, Event, Facets, Lane, Message, Record, SigningKeys
from ringback.broker.rules import facets
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores import sql
from ringback.broker.stores.contract import Need, Query, StoreUnavailable, Transaction, Where
from ringback.broker.stores.postgres import green, schema, statements
from ringback.broker.stores.postgres.connections import connect
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.rows import TABLES
from support.postgres import Server

TIMEOUT = 15_000


@pytest.fixture
async def two(postgres: Server) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two brokers' stores on one database."""
    address = postgres.fresh()
    first, second = PostgresStore(address, TIMEOUT), PostgresStore(address, TIMEOUT)
    await first.open()
    await second.open()
    yield first, second
    await second.close()
    await first.close()


def described(postgres: Server, address: str) -> str:
    """Return all columns and indexes of a database."""
    name = address.rpartition("/")[2]
    columns = postgres.query(
        name,
        "SELECT table_name, column_name, data_type, collation_name, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'ringback' AND table_name <> 'migrations' ORDER BY 1, 2",
    )
    indexes = postgres.query(
        name, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'ringback' AND tablename <> 'migrations' ORDER BY 1"
    )
    return f"{columns}\n{indexes}"


async def test_all_migrations_make_the_schema_that_is_declared(postgres: Server) -> None:
    migrated, fresh = postgres.fresh(), postgres.fresh()
    await schema.migrate(migrated)
    connection = await connect(fresh, TIMEOUT)
    await connection.execute("CREATE SCHEMA ringback")
    for table in TABLES.values():
        for statement in statements.create_statements(table):
            await connection.execute(statement)
    await connection.close()
    assert described(postgres, migrated) == described(postgres, fresh), "a changed table needs a new migration"


def test_migrations_are_numbered_and_say_who_survives_them() -> None:
    known = schema.migrations()
    assert [one.number for one in known] == list(range(1, len(known) + 1))
    assert all(1 <= one.oldest <= one.number for one in known)


async def test_a_database_is_migrated_once_however_many_begin(postgres: Server) -> None:
    address = postgres.fresh()
    assert [one.number for one in await schema.pending(address)] == [one.number for one in schema.migrations()]
    ran = await asyncio.gather(*(schema.migrate(address) for _ in range(5)))
    assert sum(map(len, ran)) == len(schema.migrations())
    assert await schema.pending(address) == []


@pytest.mark.parametrize(("oldest", "works"), [(1, True), (99, False)])
async def test_a_broker_works_on_a_newer_schema_that_says_it_can(postgres: Server, oldest: int, works: bool) -> None:
    address = postgres.fresh()
    await schema.migrate(address)
    name = address.rpartition("/")[2]
    postgres.query(name, f"INSERT INTO ringback.migrations VALUES (99, 'of the next release', {oldest})")
    store = PostgresStore(address, TIMEOUT)
    if works:
        await store.open()
        await store.close()
    else:
        with pytest.raises(StoreUnavailable, match="newer release"):
            await store.open()


async def test_a_server_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/db") as caught:
        await PostgresStore("postgresql://me:secret@127.0.0.1:1/db", TIMEOUT).open()
    assert "secret" not in str(caught.value)


def hot_queries() -> dict[str, tuple[type[Record], Query]]:
    """The queries that run all the time, as the operations write them down."""
    asked: dict[str, tuple[type[Record], Query]] = {}

    class Noting:
        """Notes what is asked."""

        name = ""

        def find(self, kind: type[Record], query: Query, **_: object) -> list[Record]:
            asked[f"{self.name} {kind.__name__} {len(asked)}"] = kind, query
            return []

        claim = find

        def get(self, *_: object) -> None:
            return None

        def load(self, _: object) -> None:
            pass

        def apply(self, _: object) -> None:
            pass

    tx: Transaction = Noting()  # type: ignore[assignment]
    from ringback.broker.rules.moment import Moment

    moment = Moment(1_790_000_000_000, lambda: 1, 1)
    due.start_due(tx, 256, 5, moment)
    due.open_lanes(tx, 256, moment)
    due.next_wake(tx, 5)
    due.newest_number(tx)
    nodes.has_orphans(tx)
    nodes.held_by(tx, 7)
    line = (Where("lane", "=", "l1"),)
    asked["line of a key"] = Delivery, Query(line, order=("due_at", "seq"), limit=10)
    asked["line of a queue"] = Delivery, Query(line, order=("seq",), limit=10)
    asked["history"] = Event, Query((Where("message", "=", 5),), order=("pos",), limit=100)
    asked["retention"] = Event, Query((Where("pos", "<", first_id_at(1)),), order=("pos",), limit=500)
    return asked


@pytest.fixture(scope="module")
def filled(postgres: Server) -> str:
    """A database with some thousand rows in each of the busy tables, so that a plan means something."""
    address = postgres.fresh()

    async def fill() -> None:
        store = PostgresStore(address, TIMEOUT)
        await store.open()
        for start in range(0, 4000, 500):
            seqs = range(start, start + 500)
            rows: list[Record] = []
            for seq in seqs:
                rows += [
                    Message(seq, "t", f"https://h{seq}.example/p", "POST", (), b"x", 1, 1, 3, 1000),
                    standing(seq),
                    Event(seq, "t", seq, "CREATED", seq),
                    Lane("t", "flow", f"k{seq}", wake_at=seq if seq % 7 == 0 else None),
                ]
            await store.write(lambda tx, rows=rows: tx.apply(Changes(put=rows)))  # type: ignore[misc]
        await store.close()

    asyncio.run(fill())
    postgres.query(address.rpartition("/")[2], "ANALYZE")
    return address


def standing(seq: int) -> Delivery:
    """A delivery that waits for a time, in a lane, or is in flight, in turn."""
    match seq % 3:
        case 0:
            return Delivery(seq, "t", seq, wake_at=seq)
        case 1:
            return Delivery(seq, "t", seq, lane=f"l{seq % 2}")
    return Delivery(seq, "t", seq, lease=seq)


async def plan(address: str, statement: str, values: list[object]) -> str:
    connection = await connect(address, TIMEOUT)
    try:
        rows = await connection.fetch(f"EXPLAIN {statement}", *values)
    finally:
        await connection.close()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("name", hot_queries())
async def test_hot_queries_use_an_index(filled: str, name: str) -> None:
    kind, query = hot_queries()[name]
    statement, values = sql.find_statement(kind, query)
    told = await plan(filled, statements.numbered(statement), values)
    if TABLES[kind].name in {"nodes", "schedules", "waiters", "runs", "dead_letters"}:
        return  # next to empty here: there is nothing to choose
    assert "Index" in told
    assert "Seq Scan" not in told, told
    assert "Sort" not in told, told


@pytest.mark.parametrize("kind", [Message, Delivery, Lane, Event])
async def test_rows_are_loaded_and_removed_by_their_keys(filled: str, kind: type[Record]) -> None:
    table = TABLES[kind]
    values: list[object] = [["x"] if statements.column_type(table, name) == "text" else [1] for name in table.key]
    for statement in (
        statements.load_statement(kind, lock="wait"),
        statements.write_statement(((kind, "drop"),)),
    ):
        told = await plan(filled, statement, values)
        assert "Index" in told, told
        assert "Seq Scan" not in told, told


async def test_of_two_that_create_the_same_record_one_sees_the_other(two: tuple[PostgresStore, PostgresStore]) -> None:
    """What is not there is locked as well: a deduplication id is taken once, whichever broker is asked."""

    def take(tx: Transaction, by: int, number: int) -> bool:
        known = tx.get(Dedup, "t", f"id{number}")
        if known is None:
            tx.apply(Changes(put=[Dedup("t", f"id{number}", by, 9)]))
        return known is None

    jobs = [
        two[by].write(lambda tx, by=by, number=number: take(tx, by, number))  # type: ignore[misc]
        for number in range(100)
        for by in (0, 1)
    ]
    taken = await asyncio.gather(*jobs)
    assert sum(taken) == 100
    assert await two[0].read(lambda tx: tx.count(Dedup)) == 100


async def test_counts_are_exact_whatever_order_jobs_lock_in(two: tuple[PostgresStore, PostgresStore]) -> None:
    """Jobs that take the same records in opposite orders do not stop each other for good, and none is lost."""

    def raise_both(tx: Transaction, names: tuple[str, str]) -> None:
        for name in names:
            lane = tx.get(Lane, "t", "flow", name) or Lane("t", "flow", name)
            tx.apply(Changes(put=[Lane("t", "flow", name, active=lane.active + 1)]))

    orders = (("a", "b"), ("b", "a"))
    jobs = [two[n % 2].write(lambda tx, n=n: raise_both(tx, orders[n % 2])) for n in range(200)]  # type: ignore[misc]
    await asyncio.gather(*jobs)
    lanes = await two[0].read(lambda tx: tx.find(Lane, Query(order=("name",))))
    assert [lane.active for lane in lanes] == [200, 200]


async def test_who_is_given_up_begins_again_with_all_that_it_has_asked_for(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    """Of two that lock in opposite orders one is given up; what it waited for then it takes in the right order the next time."""
    await two[0].write(lambda tx: tx.apply(Changes(put=[Lane("t", "flow", name) for name in "ab"])))
    each_has_one = asyncio.Barrier(2)
    begun_with: list[list[Need]] = []

    def take(tx: Any, names: str) -> None:
        begun_with.append([*tx.asked])
        tx.get(Lane, "t", "flow", names[0])
        if len(begun_with) <= 2:
            green.wait(each_has_one.wait())
        tx.get(Lane, "t", "flow", names[1])

    await asyncio.gather(two[0].write(lambda tx: take(tx, "ab")), two[1].write(lambda tx: take(tx, "ba")))
    assert begun_with == [[], [], [(Lane, ("t", "flow", "a")), (Lane, ("t", "flow", "b"))]]


async def test_claims_skip_what_others_hold_or_wait_for_it(two: tuple[PostgresStore, PostgresStore]) -> None:
    put = Changes(put=[Delivery(seq, "t", seq, wake_at=seq) for seq in (1, 2, 3, 4)])
    await two[0].write(lambda tx: tx.apply(put))
    first = Query((Where("wake_at", "not null"),), order=("wake_at",), limit=2)

    def claim(tx: Transaction) -> list[int]:
        found = tx.claim(Delivery, first)
        tx.apply(Changes(put=[Delivery(one.seq, "t", one.due_at, lease=1) for one in found]))
        return [one.seq for one in found]

    both = await asyncio.gather(two[0].write(claim, apart=True), two[1].write(claim, apart=True))
    assert sorted(both[0] + both[1]) == [1, 2, 3, 4]
    assert await two[0].write(lambda tx: tx.claim(Delivery, Query(limit=9), wait=True)) != []


class Overtaken:
    """A transaction in which another broker writes something before anything is written: it is through by then, or held up."""

    def __init__(self, tx: Transaction, postgres: Server, other: PostgresStore, put: list[Record]) -> None:
        self._tx = tx
        self._postgres = postgres
        self.writing = asyncio.ensure_future(other.write(lambda tx: tx.apply(Changes(put=put))))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def apply(self, changes: Changes) -> None:
        green.wait(self._until_through_or_held_up())
        self._tx.apply(changes)

    async def _until_through_or_held_up(self) -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not self.writing.done() and self._postgres.query("postgres", waiting) == "0":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("what", ["facets", "a deduplication id"])
async def test_what_another_broker_uses_again_is_not_forgotten(
    two: tuple[PostgresStore, PostgresStore], postgres: Server, what: str
) -> None:
    """One is about to drop what is not used any more, when the other uses it."""
    year = 365 * 86_400_000
    message = Message(1, "t", "https://a.example", "POST", (), b"", 0, 0, 3, 1000)
    event = Event(first_id_at(year), "t", 1, "CREATED", year, facets=facets.facets_of(message))
    kind: type[Record]
    if what == "facets":
        kind, old, new = Facets, facets.described(message, 0), [event, *facets.described(message, year)]
    else:
        kind, old, new = Dedup, [Dedup("t", "id", 1, 9)], [Dedup("t", "id", 2, year + 9)]
    await two[0].write(lambda tx: tx.apply(Changes(put=[*old])))
    overtaken: list[Overtaken] = []

    def forget(tx: Transaction) -> None:
        overtaken.append(Overtaken(tx, postgres, two[1], new))
        moment = Moment(year, iter(range(100)).__next__, None)
        if kind is Facets:
            forget_facets(overtaken[-1], -1, 100, Limits(), moment)
        else:
            forget_history(overtaken[-1], 100, Limits(), moment)

    await two[0].write(forget, apart=True)
    await overtaken[-1].writing
    assert await two[0].read(lambda tx: tx.count(kind)) == 1


async def test_an_old_message_that_is_settled_is_not_waited_for_nor_held_to_see_whether_it_can_be_forgotten(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    message = Message(1, "t", "https://a.example", "POST", (), b"", 0, 0, 3, 1000)
    await two[0].write(lambda tx: tx.apply(Changes(put=[message, standing(1)])))
    settling = await connect(two[0]._url, TIMEOUT)
    moment = Moment(1_790_000_000_000, lambda: 1, None)
    async with asyncio.timeout(5), settling.transaction():
        await settling.fetch("SELECT * FROM deliveries FOR UPDATE")
        await two[0].write(lambda tx: forget_messages(tx, 0, 100, Limits(), moment))
    await settling.close()
    assert await two[0].read(lambda tx: tx.count(Message)) == 1


async def test_a_changed_key_is_told_to_the_other_brokers(two: tuple[PostgresStore, PostgresStore]) -> None:
    heard: asyncio.Queue[Record] = asyncio.Queue()
    two[1].on_handed(lambda applied: [heard.put_nowait(one) for changes in applied for one in changes.put])  # type: ignore[func-returns-value]
    keys = SigningKeys("t", "sig_1", "sig_2")
    await two[0].write(lambda tx: tx.apply(Changes(put=[keys, Lane("t", "flow", "untold")])))
    async with asyncio.timeout(20):
        assert await heard.get() == keys
    assert heard.empty()


async def test_a_connection_that_is_lost_at_the_start_is_told_as_a_database_that_is_away(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = asyncpg.Connection.add_listener

    async def cut_off(self: Any, *of: Any) -> None:
        self.terminate()
        await listen(self, *of)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", cut_off)
    store = PostgresStore(postgres.fresh(), TIMEOUT)
    with pytest.raises(StoreUnavailable, match="cannot listen to the other brokers: connection is closed"):
        await store.open()
    await store.close()


async def test_a_lost_connection_to_listen_on_is_made_up_for(
    postgres: Server, two: tuple[PostgresStore, PostgresStore]
) -> None:
    heard: asyncio.Queue[Record] = asyncio.Queue()
    two[1].on_handed(lambda applied: [heard.put_nowait(one) for changes in applied for one in changes.put])  # type: ignore[func-returns-value]
    ended = asyncio.create_task(
        asyncio.to_thread(
            postgres.query,
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringback'",
        )
    )
    await ended
    keys = SigningKeys("t", "sig_3", "sig_4")
    await two[0].write(lambda tx: tx.apply(Changes(put=[keys])))
    async with asyncio.timeout(20):
        assert await heard.get() == keys


async def test_a_session_that_hangs_in_a_transaction_does_not_block_the_others(postgres: Server) -> None:
    address = postgres.fresh()
    store = PostgresStore(address, 1500)
    await store.open()
    await store.write(lambda tx: tx.apply(Changes(put=[Lane("t", "flow", "k")])))
    hung = await connect(address, 1500)
    await hung.execute("BEGIN")
    await hung.fetch("SELECT * FROM lanes FOR UPDATE")
    async with asyncio.timeout(20):
        found = await store.write(lambda tx: tx.get(Lane, "t", "flow", "k"))
    assert found is not None
    with pytest.raises((asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError)):
        await hung.execute("COMMIT")
    hung.terminate()
    await store.close()


@pytest.mark.parametrize("error", [asyncpg.InternalClientError("in a strange state"), ConnectionResetError()])
async def test_a_lost_connection_is_nobodys_own_fault(
    two: tuple[PostgresStore, PostgresStore], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that the server has ended shows in strange ways: whoever waits is told that the store is away."""
    store, _ = two
    await store.write(lambda tx: tx.apply(Changes(put=[Lane("t", "flow", "k")])))

    def broken(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("ringback.broker.stores.postgres.transaction.PostgresTransaction._fetch", broken)
        with pytest.raises(StoreUnavailable):
            await store.write(lambda tx: tx.get(Lane, "t", "flow", "k"))
        with pytest.raises(StoreUnavailable):
            await store.read(lambda tx: tx.get(Lane, "t", "flow", "k"))
    assert await store.write(lambda tx: tx.get(Lane, "t", "flow", "k")) is not None
    assert await store.read(lambda tx: tx.get(Lane, "t", "flow", "k")) is not None
