"""What is durable, change by change, and the laws about what may follow on what."""

from collections import Counter
from collections.abc import Iterable

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Event, Lane, Message, Node, Record, Run
from ringback.broker.rules import lanes
from ringback.broker.settings import Limits
from ringback.broker.stores.memory import Rows
from ringback.broker.stores.rows import CODECS, TABLES
from simulation.attic import Attic
from simulation.ends import Ends
from simulation.failures import Failures
from simulation.graves import Graves
from simulation.known import Known
from simulation.once import Once
from simulation.timetable import Timetable
from simulation.together import Together
from simulation.verdict import hold
from simulation.windows import Windows

ENDS = ("DELIVERED", "FAILED", "CANCELED")


class Account:
    """Keeps what is durable, and compares each change with what was there.

    Args:
        seen: how often what has happened.
        known: what the users know.
        limits: how long what is kept.

    Attributes:
        seen: how often what has happened.
        rows: the durable records.
        graves: what came of dead letters.
        ended: how each message ended.
        run_ends: how each run ended, by its id.
        grants: leases that were given, by message: each is one attempt.
        given_back: leases that came to nothing because their holder was gone, by message.
        shaken: numbers of brokers that may be taken for dead, or may not know what they hold.
        leaving: numbers of brokers that may give back what they have not begun.
    """

    def __init__(self, seen: Counter[str], known: Known, limits: Limits) -> None:
        self.seen = seen
        self.rows: Rows = {kind: {} for kind in TABLES}
        self._windows = Windows(seen)
        self.graves = Graves(self.rows, known, limits, seen)
        self._books = (
            self.graves,
            self._windows,
            Timetable(known, seen, self.graves.again),
            Together(self.rows, known, seen, self.graves.again),
            Attic(self.rows, limits, seen),
            Ends(self.rows, known, seen),
            Failures(self.rows, known, seen),
            Once(limits),
        )
        self.ended: dict[int, str] = {}
        self.run_ends: dict[str, str] = {}
        self.grants: Counter[int] = Counter()
        self.given_back: Counter[int] = Counter()
        self.shaken: set[int] = set()
        self.leaving: set[int] = set()

    def take(self, writer: int, applied: Iterable[Changes]) -> None:
        """Take up what a broker has written, in its order."""
        for changes in applied:
            for record in changes.drop:
                before = self.rows[type(record)].pop(CODECS[type(record)].key(record), None)
                self._gone(writer, before)
                for book in self._books:
                    if before is None:
                        book.missing(record)
                    else:
                        book.gone(before)
            for record in changes.put:
                key = CODECS[type(record)].key(record)
                before = self.rows[type(record)].get(key)
                self.rows[type(record)][key] = record
                for book in self._books:
                    book.put(before, record)
                if isinstance(record, Node) and isinstance(before, Node):
                    hold(
                        before.number == record.number, f"broker {record.number:x} takes the place of {before.number:x}"
                    )
                if isinstance(record, Delivery):
                    assert before is None or isinstance(before, Delivery)
                    self._moved(writer, before, record)
                elif isinstance(record, Run) and record.state != "RUN_STARTED":
                    self.run_ends[record.run_id] = record.state
                elif isinstance(record, Event) and before is None and record.state in ENDS:
                    hold(record.message not in self.ended, f"{record.message:x} ends twice")
                    self.ended[record.message] = record.state
                    self.seen[f"a message ended: {record.state}"] += 1
        for book in self._books:
            book.close()

    def delivery(self, seq: int) -> Delivery | None:
        """Return where a message stands."""
        found = self.rows[Delivery].get((seq,))
        assert found is None or isinstance(found, Delivery)
        return found

    def lanes(self) -> list[Lane]:
        """Return all lanes."""
        return [lane for lane in self.rows[Lane].values() if isinstance(lane, Lane)]

    def message(self, seq: int) -> Message:
        """Return a message."""
        found = self.rows[Message].get((seq,))
        hold(isinstance(found, Message), f"{seq:x} is known to nobody")
        assert isinstance(found, Message)
        return found

    def _gone(self, writer: int, before: Record | None) -> None:
        if isinstance(before, Delivery) and before.lease not in (None, writer):
            gone = before.cancel_requested and not self._is_alive(before.lease)
            hold(gone, f"{before.seq:x} was ended by a broker that did not hold it")
            self.seen["a message was canceled whose broker was gone"] += 1
        if isinstance(before, Node) and before.number != writer:
            hold(before.number in self.shaken, f"broker {before.number:x} was well and was taken for dead")
            self.seen["a broker was taken for dead"] += 1
        elif isinstance(before, Node):
            self.shaken.add(before.number)  # it has left, and gives back what it could not finish

    def _moved(self, writer: int, before: Delivery | None, now: Delivery) -> None:
        name = f"{now.seq:x}"
        hold(now.seq not in self.ended, f"{name} has ended and is still to be delivered")
        held = None if before is None else before.lease
        tried = 0 if before is None else before.retried
        if held is not None and now.lease is None:
            if now.retried == tried:
                self._given_back(writer, held, now)
            else:
                hold(held == writer, f"{name} was settled by a broker that did not hold it")
                hold(now.retried == tried + 1, f"{name} counts {now.retried} retries after {tried}")
                self.seen["an attempt failed and was put off"] += 1
            return
        hold(now.retried == tried, f"{name} counts a retry without an attempt")
        if held is not None:
            hold(now.lease == held, f"{name} went from one broker to another")
        elif now.lease is not None:
            self._granted(writer, before, now)
        elif now.lane is not None and (before is None or before.lane != now.lane):
            self.seen[f"a message waited in the line of a {lanes.key_of(now.lane)[1]}"] += 1
        if now.queued and not (before is not None and before.queued) and self.message(now.seq).queue:
            self._let_in("queue", now, before)

    def _given_back(self, writer: int, holder: int, now: Delivery) -> None:
        hold(writer == holder or not self._is_alive(holder), f"{now.seq:x} was taken from a broker that is alive")
        troubled = holder in self.shaken or (writer == holder and holder in self.leaving)
        hold(troubled, f"{now.seq:x} was given back, and nothing had happened to its broker")
        self.given_back[now.seq] += 1
        self.seen["an attempt was taken over" if writer != holder else "an unknown lease was found and given back"] += 1

    def _is_alive(self, number: int | None) -> bool:
        return any(isinstance(node, Node) and node.number == number for node in self.rows[Node].values())

    def _granted(self, writer: int, before: Delivery | None, now: Delivery) -> None:
        hold(now.lease == writer, f"{now.seq:x} was leased to another broker")
        hold(not now.cancel_requested, f"{now.seq:x} was started again although it is to be canceled")
        self.grants[now.seq] += 1
        message = self.message(now.seq)
        most = message.retries + 1 + self.given_back[now.seq]
        hold(self.grants[now.seq] <= most, f"{now.seq:x} is attempted {self.grants[now.seq]} times, at most {most}")
        self._windows.started(message)
        if message.flow is not None:
            self._let_in("flow", now, before)

    def _let_in(self, kind: str, now: Delivery, before: Delivery | None) -> None:
        """A message has passed a lane: the lane was open, had room, and nobody in its line was overtaken."""
        message = self.message(now.seq)
        name = (message.queue if kind == "queue" else message.flow and message.flow.key) or ""
        lane = self.rows[Lane].get((now.tenant, kind, name))
        hold(isinstance(lane, Lane), f"{now.seq:x} has passed {name}, which nobody knows")
        assert isinstance(lane, Lane)
        hold(not lane.deleting, f"{now.seq:x} has passed {name}, which is being deleted")
        hold(not lane.paused, f"{now.seq:x} has passed {name}, which is paused")
        hold(
            lane.parallelism is None or lane.active <= lane.parallelism, f"{now.seq:x} has passed {name}, which is full"
        )
        place = lanes.address(lane.kind, lane.tenant, lane.name)
        for other in self.rows[Delivery].values():
            assert isinstance(other, Delivery)
            if other.lane == place:
                first = other.seq if kind == "queue" else (other.due_at, other.seq)
                own = now.seq if kind == "queue" else (now.due_at, now.seq)
                hold(own < first, f"{now.seq:x} has overtaken {other.seq:x} in the line of {name}")  # type: ignore[operator]
