"""What a rule answers: the records to write and drop, and what is handed over once they are written."""

from msgspec import Struct

from ringback.broker.records import Delivery, Entry, Message, Record, Run


class RunList(Struct, frozen=True):
    """The list of a run up to one of its entries, as it travels.

    Attributes:
        length: number of entries.
        json: the list; see `rules.run_list`.
        last: the entry that was placed last.
    """

    length: int
    json: bytes
    last: Entry | None


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
