"""A connection as the store sees it: each statement waits at a gate until it is let through."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from ringback.broker.records import Record, Waiter
from ringback.broker.stores.contract import Need
from ringback.broker.stores.postgres.statements import Lock
from ringback.broker.stores.postgres.transaction import PostgresTransaction
from simulation.postgres.backstage import Connection
from simulation.postgres.order import Order

if TYPE_CHECKING:
    from simulation.postgres.gate import Gate
    from simulation.postgres.node_store import SharedStore

R = TypeVar("R", bound=Record)


@dataclass(eq=False)
class Step:
    """One statement, from the moment it is asked for to its answer.

    Attributes:
        how: which method of the connection runs it.
        task: what the real server does for it, once it was let through.
    """

    session: "Session"
    how: str
    values: tuple[Any, ...]
    answer: "asyncio.Future[Any]"
    task: "asyncio.Task[Any] | None" = None

    @property
    def statement(self) -> str:
        """Return what is to be done."""
        return str(self.values[0])

    @property
    def is_commit(self) -> bool:
        """Whether something is durable after it."""
        return self.statement == "COMMIT" or (self.statement.startswith("WITH w0") and not self.session.in_transaction)

    @property
    def keeps_locks(self) -> bool:
        """Whether it is done and nobody can have got a lock by it."""
        return (
            self.task is not None and self.task.done() and self.task.exception() is None and self.session.in_transaction
        )


class Watched(PostgresTransaction):
    """A transaction that its connection knows: what it has applied is durable after the commit.

    Attributes:
        tries: how many of the same jobs came before it that others were in the way of.
        locked: what it has asked for and waited for, if need be, in this order.
    """

    def __init__(self, connection: Any, *of: Any, **more: Any) -> None:
        super().__init__(connection, *of, **more)
        former, connection.transaction = connection.transaction, self
        was_in_the_way, connection.in_the_way = connection.in_the_way, False
        self.tries = former.tries + 1 if was_in_the_way else 0
        self.locked: list[Need] = []
        self._before: list[Need] = former.locked if was_in_the_way else []
        self._laws: Order = connection.order
        self._seen: Counter[str] = connection.seen
        connection.number = connection.store.number()
        connection.begun_at = asyncio.get_running_loop().time()

    def get(self, kind: type[R], *key: Any) -> R | None:
        """See `Transaction.get`."""
        found = super().get(kind, *key)
        self._seen["an event came for a wait that was over"] += found is None and kind is Waiter
        return found

    def load(self, needs: Iterable[Need]) -> None:
        """See `Transaction.load`."""
        first = len(self.locked)
        try:
            super().load(needs)
        finally:
            self._laws.taken(self.locked[first:])
        before, self._before = self._before, []
        self._laws.again([one for one in before if one not in self._known])

    def _load(self, kind: type[Record], keys: list[tuple[Any, ...]], lock: Lock) -> list[tuple[Any, ...]]:
        if lock == "wait":
            self.locked += [(kind, key) for key in keys]
        return super()._load(kind, keys, lock)


class Session:
    """One connection of one broker.

    Attributes:
        store: whose it is.
        real: the connection to the server.
        transaction: what the store does with it.
        number: what leases of the broker said when that began.
        begun_at: when that was, in seconds of the loop.
        in_the_way: others were in the way of the transaction, so that it is tried again.
        in_transaction: the server has one open.
        tells: something is to be told to other connections with the commit.
        pace: how many virtual seconds a statement of this transaction waits, about.
        step: the statement that is under way.
        is_cut: the connection is gone.
    """

    def __init__(self, gate: "Gate", store: "SharedStore", real: Connection) -> None:
        self._gate = gate
        self.store = store
        self.real = real
        self.transaction: Watched | None = None
        self.number = 0
        self.begun_at = 0.0
        self.in_transaction = self.tells = self.is_cut = self.in_the_way = False
        self.seen, self.order = gate.seen, gate.order
        self.pace = 0.0
        self.step: Step | None = None
        self.idle: asyncio.TimerHandle | None = None
        self.hears: list[tuple[str, Callable[..., None]]] = []
        self.on_end: list[Callable[[Any], None]] = []

    def execute(self, statement: str) -> "asyncio.Future[Any]":
        """Run a statement."""
        return self._gate.ask(self, "execute", statement)

    def fetch(self, statement: str, *values: Any) -> "asyncio.Future[list[Any]]":
        """Run a statement and return its rows."""
        return self._gate.ask(self, "fetch", statement, *values)

    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self.is_cut

    async def close(self, timeout: float | None = None) -> None:
        """Say goodbye."""
        self.terminate()

    def terminate(self) -> None:
        """Cut the connection."""
        self._gate.later(lambda: self._gate.cut(self))

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None:
        """Have something called when the connection is gone."""
        self.on_end.append(callback)

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Listen to others."""

        def heard(_: object, pid: int, channel: str, payload: object) -> None:
            self._gate.news.append((self, lambda: callback(self, pid, channel, payload)))

        await self._gate.ask(self, "add_listener", channel, heard)
        self.hears.append((channel, heard))


def lost() -> Exception:
    """Return what a connection says that is gone."""
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
