"""Laws of dead letters: one goes because it is old, because somebody deletes it, or for the one thing that comes of it."""

from collections import Counter, defaultdict

from ringback.broker.ids import instant_of
from ringback.broker.records import DeadLetter, Entry, Message, Record, Run
from ringback.broker.settings import Limits
from ringback.broker.stores.memory import Rows
from simulation.book import Book, clocks_ms
from simulation.known import Known
from simulation.verdict import hold
from simulation.virtual import now

Body = tuple[str, bytes]
"""What tells messages apart: URL and body; runs have bodies of their own."""


class Graves(Book):
    """Holds the letters that a transaction takes away against what it makes.

    Args:
        rows: the durable records.
        known: what was asked for.
        limits: how long letters are kept.
        seen: how often what has happened.

    Attributes:
        taken: the letters that are gone, by their number.
        came_of: number of the message, or id of the run, that has come of each letter that is gone.
        again: messages that were sent again.
        begun_with: how many entries each run had when it began anew, and how many it had had.
        deleted: how many letters went without anything coming of them, and before their time.
    """

    def __init__(self, rows: Rows, known: Known, limits: Limits, seen: Counter[str]) -> None:
        self._rows = rows
        self._known = known
        self._limits = limits
        self._seen = seen
        self.taken: dict[int, DeadLetter] = {}
        self.came_of: dict[int, int | str] = {}
        self.again: set[int] = set()
        self.begun_with: dict[str, tuple[int, int]] = {}
        self.deleted = 0
        self._open: dict[int, DeadLetter] = {}
        self._bodies: dict[Body, int] = {}
        self._payloads: dict[bytes, str] = {}
        self._runs: list[Run] = []
        self._entries: defaultdict[int, list[Entry]] = defaultdict(list)

    def gone(self, record: Record) -> None:
        if isinstance(record, DeadLetter):
            self._open[record.pos] = self.taken[record.pos] = record

    def put(self, before: Record | None, record: Record) -> None:
        if before is None and isinstance(record, Message) and record.run is None:
            self._is_new_or_again(record)
        elif before is None and isinstance(record, Run):
            self._runs.append(record)
        elif before is None and isinstance(record, Entry):
            self._entries[record.run].append(record)

    def close(self) -> None:
        for run in self._runs:
            self._begins(run)
        for letter in self._open.values():
            self._is_given_up(letter)
        self._open, self._runs, self._entries = {}, [], defaultdict(list)

    def _is_new_or_again(self, message: Message) -> None:
        """A message that says what another one has said comes of that one's letter, if there is one in this transaction."""
        body = (message.url, message.body)
        source = next((one for one in self._open.values() if not one.run and self._body(one) == body), None)
        is_repeated = message.body.startswith((b"tick", b"same"))  # it may be there for a reason of its own
        if source is None or (is_repeated and not self._is_wanted(source, self._known.letters_again)):
            first = self._bodies.setdefault(body, message.seq)
            is_one = first == message.seq or not message.body.startswith((b"message", b"batched"))
            hold(is_one, f"{first:x} is sent again as {message.seq:x}, and its dead letter is not taken")
            return
        del self._open[source.pos]
        self._is_asked_for(source, self._known.letters_again, "sent again")
        old = self._rows[Message][source.message,]
        assert isinstance(old, Message)
        same = all(getattr(old, name) == getattr(message, name) for name in ("queue", "flow", "labels", "headers"))
        hold(same, f"{message.seq:x} is sent again as something else than {old.seq:x}")
        self.again.add(message.seq)
        self.came_of[source.pos] = message.seq
        self._seen["a dead letter was sent again"] += 1

    def _begins(self, run: Run) -> None:
        """A run whose payload another one has had comes of that one's letter, and begins with what it had."""
        placed = [one for one in self._entries[run.seq] if one.place is not None]
        entries = sorted(placed or self._entries[run.seq], key=lambda one: one.place or 0)
        payload = entries[0].body if entries else b""
        if self._payloads.setdefault(payload, run.run_id) == run.run_id:
            return
        source = next((one for one in self._open.values() if one.run and self._list(one.run)[:1] == [payload]), None)
        hold(source, f"{run.run_id} goes on with another run's payload, and no dead letter of it is taken")
        assert source is not None
        del self._open[source.pos]
        self._is_asked_for(source, self._known.runs_again, "begun again")
        old, new = self._had(source.run), [one.body for one in entries]
        hold(new == old[: len(new)], f"{run.run_id} begins with something else than its run had")
        self.begun_with[run.run_id] = (len(new), len(old))
        self.came_of[source.pos] = run.run_id
        self._seen["a failed run began again"] += 1

    def _is_given_up(self, letter: DeadLetter) -> None:
        """Nothing has come of a letter."""
        age = now() - instant_of(letter.pos)
        if age >= self._limits.dlq_retention_ms - clocks_ms() and not self._is_wanted(
            letter, self._known.letters_deleted
        ):
            self._seen["a dead letter was forgotten"] += 1
            return
        self._is_asked_for(letter, self._known.letters_deleted, "deleted")
        self.deleted += 1
        self._seen["a dead letter was deleted"] += 1

    def _is_asked_for(self, letter: DeadLetter, asked: set[int | str], what: str) -> None:
        wanted = self._is_wanted(letter, asked)
        hold(wanted, f"the dead letter of {letter.message:x} was {what} and nobody has asked for it")

    def _is_wanted(self, letter: DeadLetter, asked: set[int | str]) -> bool:
        message = self._rows[Message].get((letter.message,))
        labels = message.labels if isinstance(message, Message) else ()
        return letter.pos in asked or not asked.isdisjoint(labels)

    def _body(self, letter: DeadLetter) -> Body | None:
        message = self._rows[Message].get((letter.message,))
        return (message.url, message.body) if isinstance(message, Message) else None

    def _list(self, run: int) -> list[bytes]:
        return [one.body for one in self._placed(run)]

    def _had(self, run: int) -> list[bytes]:
        """Return what a failed run can go on with: no call without its answer, and what a child has told when it had failed."""
        placed = self._placed(run)
        is_answered = any(one.call_type == "fromCallback" for one in placed)
        told = [one.body for one in self._entries_of(run) if one.place is None and one.child and one.body]
        return [one.body for one in placed if one.call_type != "toCallback" or is_answered] + told

    def _placed(self, run: int) -> list[Entry]:
        placed = [(one.place, one) for one in self._entries_of(run) if one.place is not None]
        return [one for _, one in sorted(placed, key=lambda pair: pair[0])]

    def _entries_of(self, run: int) -> list[Entry]:
        return [one for one in self._rows[Entry].values() if isinstance(one, Entry) and one.run == run]
