"""The way of planned jobs to the broker: in batches, in order, each under its own deduplication id and label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ringback.client import Transport, management
from ringback.errors import Refused, RingbackError
from ringback.importing.bullmq.calls import bury_all, publish_all
from ringback.importing.bullmq.ledger import Row
from ringback.importing.bullmq.plans import Move, name_of, named
from ringback.importing.bullmq.schedules import Timetable

MOST_ITEMS = 100
_MOST_BYTES = 4_000_000
_ABOUT_THE_ITEM = (400, 404, 412, 413)
_HOPELESS = 20


class NothingAccepted(RingbackError):
    """The broker refuses whatever it is sent."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of one item: the message ids, or why it was refused."""

    row: Row
    sent: str = ""
    refused: str = ""


class Post:
    """Sends what was claimed.

    Args:
        transport: to the broker.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._accepted = self._refused = 0

    def takes_letters(self) -> bool:
        """Return whether the broker can be given dead letters.

        Raises:
            Refused: the broker says no to an empty list, for the token or otherwise.
        """
        try:
            self._transport.send(bury_all([]))
        except Refused as error:
            if error.status in (404, 405):
                return False
            raise
        return True

    def make_queue(self, name: str, parallelism: int | None, *, paused: bool) -> None:
        """Make a queue where there is none, or where its parallelism is asked for."""
        if parallelism is None and not paused:
            try:
                self._transport.send(management.queue(name))
            except Refused as error:
                if error.status != 404:
                    raise
            else:
                return
        self._transport.send(management.set_queue(name, parallelism=parallelism or 1, paused=paused or None))

    def find(self, row: Row) -> str:
        """Return the ids under which the broker knows a row's job, "" where it has never heard of it."""
        which = {"label": name_of(row.token, row.field)}
        found = self._transport.send(management.events(which, count=1000)).items
        return ",".join(dict.fromkeys(str(one["messageId"]) for one in reversed(found)))

    def known(self, family: str) -> dict[str, set[str]]:
        """Return the messages of a whole import that the broker has on record, by the label of their job."""
        found: dict[str, set[str]] = {}
        cursor: str | None = None
        while True:
            page = self._transport.send(
                management.events({"label": family, "state": "CREATED"}, cursor=cursor, count=1000)
            )
            for one in page.items:
                for label in one.get("labels") or []:
                    if label != family:
                        found.setdefault(label, set()).add(str(one["messageId"]))
            cursor = page.cursor
            if not cursor:
                return found

    def send(self, moves: Sequence[tuple[Row, Move]], family: str) -> Iterator[Posted]:
        """Send moves in order, a batch at a time; an item that is refused does not hold up the others.

        Args:
            moves: what to send, all of one action.
            family: label of the whole import.

        Raises:
            Refused: the broker says no to all, for the token or its limits.
            NothingAccepted: it says no to each.
            BrokerUnreachable: it gives no answer.
        """
        for batch in _batches(moves):
            items = [named(move.item, name_of(row.token, row.field), family) for row, move in batch]
            call = bury_all if batch[0][1].action == "letter" else publish_all
            try:
                ids = self._transport.send(call(items))
                yield from (Posted(row, sent) for (row, _), sent in zip(batch, ids, strict=True))
                self._accepted += len(batch)
            except Refused as error:
                if error.status not in _ABOUT_THE_ITEM:
                    raise
                if len(batch) == 1:
                    yield self._no(batch[0][0], error)
                else:
                    for one in batch:
                        yield from self.send([one], family)

    def schedule(self, table: Timetable, *, again: bool) -> int:
        """Make a schedule and return when it was made, in milliseconds since the epoch.

        Args:
            table: the schedule.
            again: it may have been made already; then it is not made anew.

        Raises:
            Refused: the broker says no.
        """
        known = self._schedule(table.id) if again else None
        if known is None:
            item = table.item
            call = management.set_schedule(item["destination"], table.cron, item["body"].encode(), item["headers"])
            self._transport.send(call)
            known = self._schedule(table.id)
        return int((known or {}).get("createdAt", 0))

    def _schedule(self, schedule_id: str) -> dict[str, Any] | None:
        try:
            return self._transport.send(management.schedule(schedule_id))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _no(self, row: Row, error: Refused) -> Posted:
        self._refused += 1
        if not self._accepted and self._refused >= _HOPELESS:
            raise NothingAccepted(f"the broker has refused the first {self._refused} jobs, the last one so: {error}")
        return Posted(row, refused=f"the broker refuses it: {error}")


def _batches(moves: Sequence[tuple[Row, Move]]) -> Iterator[list[tuple[Row, Move]]]:
    batch: list[tuple[Row, Move]] = []
    size = 0
    for row, move in moves:
        length = len(move.item["body"])
        if batch and (len(batch) == MOST_ITEMS or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((row, move))
        size += length
    if batch:
        yield batch
