"""One broker's store on the real server, and the database that several of them share."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Node
from ringback.broker.stores.contract import Need, StoreUnavailable, Transaction
from ringback.broker.stores.memory import Rows
from ringback.broker.stores.postgres import store as real_store
from simulation import book
from simulation.postgres.backstage import Backstage
from simulation.postgres.gate import Gate
from simulation.postgres.order import Order
from simulation.postgres.session import Session, Step
from simulation.process import Process
from simulation.verdict import Broken

T = TypeVar("T")

_NOT_LET_IN_S = 5.0


class SharedStore(Process, real_store.PostgresStore):
    """The store of a broker, with what may happen to a process and its way to the database.

    Attributes:
        held_back: statements that wait for the way to be free again.
        wanted: how many jobs have no answer.
    """

    def __init__(self, database: "Database", url: str) -> None:
        Process.__init__(self)
        real_store.PostgresStore.__init__(self, url, database.node_timeout_ms)
        self._database = database
        self.held_back: list[Step] = []
        self.wanted = 0

    @property
    def tasks(self) -> list["asyncio.Task[None]"]:
        """Return what runs by itself."""
        return [*self._workers, *self._bell._tasks]

    def write(
        self, job: Callable[[Transaction], T], needs: Sequence[Need] = (), *, apart: bool = False
    ) -> Awaitable[T]:
        """See `Store.write`."""
        answer: asyncio.Future[T] = super().write(job, needs, apart=apart)  # type: ignore[assignment]
        self.wanted += 1
        answer.add_done_callback(self._answered)
        return answer

    def _answered(self, answer: "asyncio.Future[Any]") -> None:
        self.wanted -= 1
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, StoreUnavailable) and not self.gone:
            self._database.refused(self, error)


class Database:
    """The records, on a real server (see `Disk`).

    Args:
        backstage: the server.
        chance: in which order statements go through.
        seen: how often what has happened.
        node_timeout_ms: after how long a silent broker is taken for dead.

    Attributes:
        rows: the durable records.
        on_durable: see `Disk`.
        on_trouble: called with the store whose connection was lost.
        away: it cannot be reached.
    """

    def __init__(self, backstage: Backstage, chance: random.Random, seen: Counter[str], node_timeout_ms: int) -> None:
        self.backstage = backstage
        self.node_timeout_ms = node_timeout_ms
        self.rows: Rows = {}
        self.on_durable: Callable[..., None] = lambda *_, **__: None
        self.on_trouble: Callable[[SharedStore], None] = lambda _: None
        self.accuse: Callable[[Broken], None] = lambda _: None
        self.away = False
        self.gate = Gate(backstage, chance, seen, Order(self._accuse), self._durable)
        self._chance = chance
        self._seen = seen
        self._stores: dict[str, SharedStore] = {}

    def store(self, *, shared: bool) -> SharedStore:
        """Return a way to it for a broker."""
        assert shared
        url = f"postgresql://broker/{len(self._stores)}"
        self._stores[url] = made = SharedStore(self, url)
        return made

    async def connect(self, url: str) -> Session:
        """Stand in for `connections.connect`."""
        store = self._stores[url]
        await asyncio.sleep(self._chance.uniform(0.001, 0.01))
        if store.gone:
            raise asyncio.CancelledError
        if store.cut_off:
            await asyncio.sleep(_NOT_LET_IN_S)
        if self.away or store.cut_off:
            raise StoreUnavailable("cannot reach the database: it is away")
        made: asyncio.Future[Session] = asyncio.get_running_loop().create_future()

        def make() -> None:
            if not made.done():
                made.set_result(self.gate.connect(store))

        self.gate.later(make)
        return await made

    def refused(self, store: SharedStore, error: StoreUnavailable) -> None:
        """A job was refused: nothing may be the reason but that the database cannot be reached."""
        text = str(error)
        self._seen["a job was refused"] += 1
        if "too busy" in text or "refused" in text:
            self.accuse(Broken(f"a job was refused though the database is there: {text}"))

    def _accuse(self, broken: Broken) -> None:
        self.accuse(broken)

    def is_idle(self) -> bool:
        """Whether nothing waits for a lock."""
        return not self.gate.is_waiting()

    def is_wanted_by(self, store: SharedStore) -> bool:
        """Whether jobs of a broker wait or are being written."""
        return store.wanted > 0

    def lose(self, store: SharedStore) -> None:
        """A broker is gone: its connections are."""
        self.gate.later(lambda: self._cut(store))

    def sever(self, store: SharedStore) -> None:
        """A connection of a broker is reset; preferably one that is in the middle of something."""

        def cut_one() -> None:
            mine = [one for one in self.gate.sessions if one.store is store]
            busy = [one for one in mine if one.in_transaction]
            if mine:
                self._seen["a connection was reset"] += 1
                self.gate.cut(self._chance.choice(busy or mine))

        self.gate.later(cut_one)

    def crash(self, seconds: float) -> None:
        """The server goes down for a while."""
        self.away = True
        self.gate.later(lambda: [self.gate.cut(one) for one in [*self.gate.sessions]] and None)
        asyncio.get_running_loop().call_later(seconds, self._back)

    def wake(self) -> None:
        """Take up what can go on."""
        for store in self._stores.values():
            if not store.cut_off:
                steps, store.held_back = store.held_back, []
                self.gate.release(steps)

    def end(self) -> None:
        """The history is over."""
        for store in self._stores.values():
            store.gone = True
        self.gate.end()

    def _back(self) -> None:
        self.away = False

    def _cut(self, store: SharedStore) -> None:
        for one in [*self.gate.sessions]:
            if one.store is store:
                self.gate.cut(one)

    def _durable(self, session: Session, applied: list[Changes], heard: bool) -> None:
        store, number = session.store, session.number
        joined = {one.number for changes in applied for one in changes.put if isinstance(one, Node)} - {number}
        self._seen["a broker was taken for dead and began anew"] += bool(number and joined)
        leases = {one.lease for changes in applied for one in changes.put if isinstance(one, Delivery)}
        if store.number() in leases and number not in leases:
            number = store.number()  # it has begun anew meanwhile
        if not heard:
            self._seen["a crash came between commit and answer"] += 1
        if not heard or not store.is_sure():  # what it has leased is handed to nobody
            self.on_trouble(store)
        book.late.ms = int((asyncio.get_running_loop().time() - session.begun_at) * 1000)
        try:
            self.on_durable(store, number, applied, heard=heard)
        finally:
            book.late.ms = 0
