"""The list of a run: a step takes its place in it when its time has come, in the transaction that starts its delivery."""

from collections.abc import Callable

from msgspec.structs import replace

from ringback.broker.changes import Changes, RunList
from ringback.broker.records import Entry, Message, Run
from ringback.broker.rules.run_list import EMPTY, listed, longer
from ringback.broker.stores.contract import Query, Transaction, Where


def append_entry(tx: Transaction, message: Message) -> None:
    """Give the entry that a message delivers its place, if it has none yet."""
    if message.run is None:
        return
    run = tx.get(Run, message.run.run)
    entry = tx.get(Entry, message.run.run, message.run.entry)
    if run is not None and entry is not None and entry.place is None:
        place(tx, run, entry)


def place(tx: Transaction, run: Run, entry: Entry) -> Run:
    """Put an entry at the end of the list; return the run after that."""
    grown = replace(run, entries=run.entries + 1)
    tx.apply(Changes(put=[grown, replace(entry, place=run.entries)]))
    return grown


def load_delivery(
    tx: Transaction, message: Message, known: Callable[[int], RunList | None] = lambda _: None
) -> tuple[Run | None, RunList | None]:
    """Return what is needed to deliver a message of a run: the run and, for a step, the list up to its entry.

    Args:
        tx: the transaction.
        message: what is to be delivered.
        known: the beginning of a run's list, where it is at hand; what is missing of it is read.
    """
    reference = message.run
    run = tx.look(Run, reference.run) if reference else None
    if reference is None or run is None or message.kind != "step":
        return run, None
    entry = tx.look(Entry, run.seq, reference.entry)
    last = entry.place if entry is not None and entry.place is not None else run.entries
    before = known(run.seq) if last else EMPTY
    if before is not None and entry is not None and before.length == last:
        return run, longer(before, entry)
    return run, listed(_entries_up_to(tx, run.seq, last))


def _entries_up_to(tx: Transaction, run: int, last: int) -> list[Entry]:
    """Return the list of a run up to and including a place: what came later is not the delivery's to see (1.11)."""
    where = (Where("run", "=", run), Where("place", "<=", last))
    return tx.find(Entry, Query(where, order=("place",), limit=last + 1))


def all_entries(tx: Transaction, run: int) -> list[Entry]:
    """Return the whole list of a run, in order."""
    return tx.find(Entry, Query((Where("run", "=", run), Where("place", "not null")), order=("place",), limit=100_000))
