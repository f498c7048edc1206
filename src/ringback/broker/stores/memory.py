"""A store in memory: for tests and simulations, and the model the others are held to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from ringback.broker.changes import Changes
from ringback.broker.records import Message, Record
from ringback.broker.stores.contract import Need, Query, Transaction, Where
from ringback.broker.stores.later import Later
from ringback.broker.stores.rows import CODECS, TABLES

R = TypeVar("R", bound=Record)
T = TypeVar("T")
Rows = dict[type[Record], dict[tuple[Any, ...], Record]]


class MemoryStore:
    """Keeps records in dictionaries; a job that raises leaves no trace.

    Args:
        rows: dictionaries to share with other brokers in this process, as a database would be shared; fresh ones without.
    """

    def __init__(self, rows: Rows | None = None) -> None:
        self.shared = rows is not None
        self._rows: Rows = {kind: {} for kind in TABLES} if rows is None else rows
        self._take: Callable[[Sequence[Changes]], None] = lambda _: None

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Nothing to close."""

    def on_handed(self, take: Callable[[Sequence[Changes]], None]) -> None:
        """See `Store.on_handed`."""
        self._take = take

    def on_woken(self, wake: Callable[[], None]) -> None:
        """See `Store.on_woken`; nobody wakes: brokers in one process are turned by hand."""

    def wake_others(self) -> None:
        """See `Store.wake_others`."""

    def write(
        self,
        job: Callable[[Transaction], T],
        needs: Sequence[Need] = (),  # noqa: ARG002 - everything is near
        *,
        apart: bool = False,  # noqa: ARG002 - one transaction at a time
    ) -> Awaitable[T]:
        """See `Store.write`."""
        tx = MemoryTransaction(self._rows)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            result = job(tx)
            tx.finish()
        except Exception as error:  # noqa: BLE001 - it is the caller's: handed back through the future
            tx.undo()
            future.set_exception(error)
            return future
        self._take(tx.applied)
        future.set_result(result)
        return future

    def look(self, job: Callable[[Transaction], T]) -> T:
        """Run a job that applies nothing, and return its answer at once."""
        return job(MemoryTransaction(self._rows))

    def read(self, job: Callable[[Transaction], T]) -> Awaitable[T]:
        """See `Store.read`."""
        return self.write(job)


class MemoryTransaction:
    """One job on the dictionaries, with what is needed to undo it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._before: list[tuple[type[Record], tuple[Any, ...], Record | None]] = []
        self.applied: list[Changes] = []
        self._later = Later()
        self.later = self._later.add
        self.finish = self._later.run

    def get(self, kind: type[R], *key: Any) -> R | None:
        """See `Transaction.get`."""
        return self._rows[kind].get(key)  # type: ignore[return-value]

    look = get

    def find(self, kind: type[R], query: Query) -> list[R]:
        """See `Transaction.find`."""
        found = list(self._matching(kind, query.where))
        if query.order:
            found.sort(key=lambda record: self._values(record, query.order), reverse=query.descending)
        return found[: query.limit]

    def claim(self, kind: type[R], query: Query, *, wait: bool = False) -> list[R]:  # noqa: ARG002 - one job at a time
        """See `Transaction.claim`."""
        return self.find(kind, query)

    def load(self, needs: Iterable[Need]) -> None:
        """See `Transaction.load`; everything is at hand."""

    def next_stretch(self, kind: type[Record], before: int, most: int) -> None:
        """See `Transaction.next_stretch`; everything is looked at here."""

    def count(self, kind: type[Record], *where: Where) -> int:
        """See `Transaction.count`."""
        return sum(1 for _ in self._matching(kind, where))

    def apply(self, changes: Changes) -> None:
        """See `Transaction.apply`."""
        for record in changes.drop:
            self._set(type(record), CODECS[type(record)].key(record), None)
        for record in changes.put:
            self._set(type(record), CODECS[type(record)].key(record), record)
        self.applied.append(changes)

    def undo(self) -> None:
        """Put everything back as it was before the job."""
        for kind, key, record in reversed(self._before):
            if record is None:
                self._rows[kind].pop(key, None)
            else:
                self._rows[kind][key] = record

    def _set(self, kind: type[Record], key: tuple[Any, ...], record: Record | None) -> None:
        rows = self._rows[kind]
        self._before.append((kind, key, rows.get(key)))
        if record is None:
            rows.pop(key, None)
        else:
            rows[key] = record

    def _matching(self, kind: type[R], where: Sequence[Where]) -> Iterable[R]:
        for record in self._rows[kind].values():
            if all(self._meets(record, condition) for condition in where):
                yield record  # type: ignore[misc]

    def _meets(self, record: Record, condition: Where) -> bool:
        return _compare(self._value(record, condition.column), condition)

    def _value(self, record: Record, column: str) -> Any:
        if column.startswith("message."):
            about = TABLES[type(record)].about
            message = self._rows[Message].get((getattr(record, about or ""),))
            return None if message is None else self._value(message, column.removeprefix("message."))
        codec = CODECS[type(record)]
        return codec.columns(record)[codec.names.index(column)]

    def _values(self, record: Record, columns: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(self._value(record, column) for column in columns)


def _compare(value: Any, condition: Where) -> bool:  # noqa: C901, PLR0911 - one line for each operator
    wanted = condition.value
    match condition.op:
        case "null":
            return value is None
        case "not null":
            return value is not None
        case _ if value is None:
            return False
        case "=":
            return bool(value == wanted)
        case "!=":
            return bool(value != wanted)
        case "in":
            return value in wanted
        case ">=":
            return bool(value >= wanted)
        case ">":
            return bool(value > wanted)
        case "<=":
            return bool(value <= wanted)
        case "<":
            return bool(value < wanted)
        case "prefix":
            return str(value).startswith(wanted)
        case "contains":
            return any(f"\x1f{one}\x1f" in value for one in wanted)
    raise AssertionError(condition.op)
