"""What a run has done so far, gathered from what is kept of it (workflow protocol 3.4, 6)."""

from dataclasses import dataclass

from ringback.broker.records import DeadLetter, Delivery, Entry, Event, Message, Progress, Run, Waiter
from ringback.broker.rules.runs import identity
from ringback.broker.stores.contract import Query, Transaction, Where

_MOST_ENTRIES = 10_000
_MOST_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Attempted:
    """A message of a run: what became of it.

    Attributes:
        message: the message.
        delivery: where it stands, None when it has ended.
        events: its history, oldest first.
    """

    message: Message
    delivery: Delivery | None
    events: list[Event]


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A run with everything that is shown of it.

    Attributes:
        children, payloads: the runs it has invoked, and what each was started with, by number.
        calls: the traces of its third-party calls, by identity.
    """

    run: Run
    entries: list[Entry]
    attempts: dict[int, Attempted]
    children: dict[int, Run]
    payloads: dict[int, bytes]
    calls: dict[str, Entry]
    invoker: Run | None
    progress: dict[int, Progress]
    waiters: dict[str, Waiter]
    letter: DeadLetter | None = None

    def step_of(self, entry: Entry) -> bytes:
        """Return the JSON of an entry's step; one that waits for an event or a child has none of its own yet."""
        if entry.body or entry.cut_short:
            return entry.body or entry.cut_short
        waiter, child = self.waiters.get(entry.identity), self.children.get(entry.child or 0)
        if waiter is not None:
            return waiter.step
        return child.invoker.step if child is not None and child.invoker is not None else b""


def load_history(tx: Transaction, run: Run) -> RunHistory:
    """Gather the history of a run."""
    of_run = Where("run", "=", run.seq)
    entries = tx.find(Entry, Query((of_run,), order=("message",), limit=_MOST_ENTRIES))
    messages = {entry.message for entry in entries}
    if run.failure is not None:
        messages.add(run.failure.message)
    tx.load((kind, (seq,)) for seq in messages for kind in (Message, Delivery))
    attempts = {seq: found for seq in messages if (found := _attempted(tx, seq)) is not None}
    children = {entry.child: child for entry in entries if entry.child and (child := tx.get(Run, entry.child))}
    tx.load((Entry, (child, "init")) for child in children)
    payloads = {child: first.body for child in children if (first := tx.get(Entry, child, "init")) is not None}
    calls = {entry.identity: entry for entry in entries if entry.call_type != "step"}
    invoker = tx.get(Run, run.invoker.run) if run.invoker else None
    progress = {one.message: one for one in tx.find(Progress, Query((of_run,)))}
    waiters = {identity(one.step, one.seq): one for one in tx.find(Waiter, Query((of_run,)))}
    letter = tx.get(DeadLetter, run.dead_letter) if run.dead_letter else None
    return RunHistory(run, entries, attempts, children, payloads, calls, invoker, progress, waiters, letter)


def _attempted(tx: Transaction, seq: int) -> Attempted | None:
    message = tx.get(Message, seq)
    if message is None:
        return None
    events = tx.find(Event, Query((Where("message", "=", seq),), order=("pos",), limit=_MOST_EVENTS))
    return Attempted(message, tx.get(Delivery, seq), events)
