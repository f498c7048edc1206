"""What a rule answers: the records to write and drop, and what is handed over once they are written."""

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import Struct

from ringback.broker.records import Delivery, Message, Record, Run

R = TypeVar("R", bound=Record)


class RunList(Struct, frozen=True):
    """The list of a run up to one of its entries, as it travels.

    Attributes:
        length: number of entries.
        json: the list; see `rules.run_list`.
    """

    length: int
    json: bytes


class Handed(Struct):
    """A message leased to this node, to be attempted as soon as its changes are durable.

    Attributes:
        run: for a message of a workflow, its run.
        list: for a step, the list it delivers.
    """

    message: Message
    delivery: Delivery
    run: Run | None = None
    list: RunList | None = None

    def size(self) -> int:
        """Return how many bytes are held to send it, but for its headers."""
        return len(self.message.body) + (0 if self.list is None else len(self.list.json))


class Changes(Struct):
    """Everything one decision writes: all of it, or none.

    Attributes:
        put: records to write; a record with the same key is replaced.
        drop: records to remove.
        handed: attempts this node starts once the rest is durable.
    """

    put: list[Record] = []
    drop: list[Record] = []
    handed: list[Handed] = []

    def __iadd__(self, other: "Changes") -> "Changes":
        self.put += other.put
        self.drop += other.drop
        self.handed += other.handed
        return self


class Applied:
    """What has become durable at once, sorted by kind: those who look through it, all for something else, need not read it all.

    Attributes:
        handed: what is to be attempted.
    """

    def __init__(self, changes: Iterable[Changes]) -> None:
        self.handed: list[Handed] = []
        self._put: dict[type[Record], list[Any]] = {}
        for one in changes:
            self.handed += one.handed
            for record in one.put:
                kind = type(record)
                if kind in self._put:
                    self._put[kind].append(record)
                else:
                    self._put[kind] = [record]

    def put(self, kind: type[R]) -> list[R]:
        """Return the records of a kind that were written, in order."""
        return self._put.get(kind, [])
