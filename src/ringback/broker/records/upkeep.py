"""Work of brokers that takes many steps, and the brokers themselves."""

from msgspec import Struct

from ringback.broker.records.base import HeaderLines, Record
from ringback.wire.filters import Filter


class BulkAction(Record, frozen=True, array_like=True):
    """A bulk cancel that was carried out, asked for at `at`; at once where it does not say when it was completed."""

    pos: int
    tenant: str
    total: int
    at: int
    filter: HeaderLines = ()
    completed_at: int | None = None


class BulkCancel(Record, frozen=True, array_like=True):
    """A bulk cancel that is under way, the newest messages first; a `BulkAction` of the same number takes its place.

    Attributes:
        chosen: which messages.
        asked: the same, as it was asked.
        upto: number of the newest message it still has to look at.
        total: how many there were when it was asked for.
        canceled: how many it has canceled.
    """

    pos: int
    tenant: str
    chosen: Filter
    asked: HeaderLines
    at: int
    upto: int
    total: int
    canceled: int = 0


class Removal(Record, frozen=True, array_like=True):
    """Very many things that are ended in small steps: what a deleted queue left behind, or runs that are canceled in bulk.

    Attributes:
        after, upto: numbers of the last one it has looked at, and of the last it has to look at.
        done: how many it has ended.
        open: 1 until it is through, then None.
        queue: the queue that is being deleted.
        runs: which runs are canceled, at most `left` more; `exact` says whether URLs are meant whole.
        numbers: the same, where they were chosen one by one.
    """

    pos: int
    tenant: str
    at: int
    upto: int
    after: int = 0
    done: int = 0
    open: int | None = 1
    queue: str | None = None
    runs: Filter | None = None
    exact: bool = False
    left: int = 0
    numbers: tuple[int, ...] = ()


class SetBack(Struct, frozen=True):
    """A clock that was set back, as long as what waits is still being brought forward.

    Attributes:
        by: milliseconds.
        before: newest number when it was right last: whatever has a lower one was made before it was set back.
        noted, noted_at: newest number when that was noticed, and what the clock said: whatever was made between the two tells
            by its time.
        stage, after, after_key: which kind is being looked at, and up to where: a time, a number, or a key.
    """

    by: int
    before: int
    noted: int
    noted_at: int
    stage: int = 0
    after: int = 0
    after_key: tuple[str, ...] = ()


class Node(Record, frozen=True, array_like=True):
    """A broker process at work; its row is gone when it has stopped, or when the others have heard nothing of it.

    Attributes:
        slot: its part in the numbers it makes, 0 to 63; unlike any other node's.
        number: what its leases say.
        beats: grows as long as it lives.
        name: host and process.
        release: version it runs.
        seen, seen_at: the newest number at a time, and what its clock said then; one that is alone tells by them after a start
            that its clock was set back meanwhile.
        set_back: its clock was set back, and what waits for it is being brought forward.
    """

    slot: int
    number: int
    beats: int = 0
    since_at: int = 0
    name: str = ""
    release: str = ""
    seen: int = 0
    seen_at: int = 0
    set_back: SetBack | None = None
