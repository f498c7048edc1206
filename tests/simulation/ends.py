"""Laws of ends: a failure has its dead letter and its callback in its transaction, a cancel was asked for and counts once."""

from collections import Counter

from ringback.broker.records import BulkAction, BulkCancel, DeadLetter, Event, Message, Record
from ringback.broker.stores.memory import Rows
from simulation.book import Book, clocks_ms
from simulation.endpoints import CALLBACK
from simulation.known import Known
from simulation.verdict import hold


class Ends(Book):
    """Holds what one transaction has ended against what else it has written.

    Args:
        rows: the durable records.
        known: what was asked to be canceled.
        seen: how often what has happened.
    """

    def __init__(self, rows: Rows, known: Known, seen: Counter[str]) -> None:
        self._rows = rows
        self._known = known
        self._seen = seen
        self._failed: Counter[int] = Counter()
        self._letters: Counter[int] = Counter()
        self._told: set[int] = set()
        self._asked: set[int] = set()
        self._requested = self._counted = 0
        self._under_way: dict[int, int] = {}

    def put(self, before: Record | None, record: Record) -> None:
        if isinstance(record, DeadLetter):
            self._letters[record.message] += 1
        elif isinstance(record, Message) and record.url == CALLBACK:
            self._told.add(_source(record))
        elif isinstance(record, Event) and before is None:
            self._happened(record)
        elif isinstance(record, BulkCancel):
            self._seen["a bulk cancel was carried on"] += record.canceled > self._under_way.get(record.pos, 0)
            self._counted += record.canceled - self._under_way.get(record.pos, 0)
            self._under_way[record.pos] = record.canceled
        elif isinstance(record, BulkAction):
            self._counted += record.total - self._under_way.pop(record.pos, 0)
            self._seen["a bulk cancel was finished"] += 1

    def close(self) -> None:
        hold(+self._failed == self._letters, "dead letters and failures do not belong together")
        for seq in +self._failed:
            message = self._rows[Message][seq,]
            assert isinstance(message, Message)
            hold(not message.failure_callback or seq in self._told, f"{seq:x} has failed and nobody is told")
        hold(
            self._counted <= self._requested,
            f"a bulk cancel counts {self._counted} messages, {self._requested} were canceled",
        )
        self._failed, self._letters, self._told = Counter(), Counter(), set()
        self._requested = self._counted = 0

    def _happened(self, event: Event) -> None:
        seq = event.message
        if event.state == "FAILED":
            self._failed[seq] += not self._is_told_to_a_run(seq)
        elif event.state == "CANCEL_REQUESTED":
            hold(seq not in self._asked, f"{seq:x} is to be canceled twice")
            self._asked.add(seq)
            self._requested += 1
        elif event.state == "CANCELED":
            hold(self._is_wanted(seq), f"{seq:x} was canceled and nobody has asked for it")

    def _is_told_to_a_run(self, seq: int) -> bool:
        """Whether a message calls a run's failure function, or somebody for a run: a letter is the run's, or there is none."""
        message = self._rows[Message].get((seq,))
        return isinstance(message, Message) and message.kind in ("failure", "call")

    def _is_wanted(self, seq: int) -> bool:
        message, known = self._rows[Message].get((seq,)), self._known
        if not isinstance(message, Message) or message.run is not None or seq in known.canceled:
            return True
        deleted = known.deleted_queues.get(message.queue or "", 0)
        return message.created_at <= deleted + clocks_ms() or not known.canceled_labels.isdisjoint(message.labels)


def _source(message: Message) -> int:
    text = message.body.partition(b'"sourceMessageId":"msg_')[2][:16]
    return int(text, 16)
