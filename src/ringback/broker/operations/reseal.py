"""Writing every record anew, so that it is sealed with the newest key: the last step of rotating one."""

from typing import Any

from ringback.broker.changes import Changes
from ringback.broker.records import DeadLetter, Entry, Event, Message, Record, Run, SavedEvent, Schedule, Waiter
from ringback.broker.stores.contract import Query, Transaction, Where

NUMBERED: dict[type[Any], str] = {Message: "seq", Event: "pos", DeadLetter: "pos", Run: "seq", SavedEvent: "seq"}
"""Records that are walked through by their number."""
_ALL = 1_000_000


def reseal_numbered(tx: Transaction, kind: type[Record], after: int, most: int) -> tuple[int, int]:
    """Write the next records of a kind anew, a run's list with its run; return how many, and the number of the last."""
    name = NUMBERED[kind]
    found = tx.claim(kind, Query((Where(name, ">", after),), order=(name,), limit=most), wait=True)
    tx.apply(Changes(put=list(found)))
    if kind is Run:
        for run in found:
            lists = tx.claim(Entry, Query((Where("run", "=", getattr(run, name)),), limit=_ALL), wait=True)
            tx.apply(Changes(put=list(lists)))
    return len(found), getattr(found[-1], name) if found else after


def reseal_rest(tx: Transaction) -> int:
    """Write schedules and waiters anew; return how many there are."""
    kinds: tuple[type[Record], ...] = (Schedule, Waiter)
    found = [record for kind in kinds for record in tx.claim(kind, Query(limit=_ALL), wait=True)]
    tx.apply(Changes(put=found))
    return len(found)
