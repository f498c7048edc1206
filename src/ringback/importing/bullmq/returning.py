"""The way back: what has not run at the broker is canceled there and put back where it came from."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ringback.client import Transport, management
from ringback.clock import Clock, now
from ringback.errors import Refused
from ringback.importing.bullmq.ledger import Row
from ringback.importing.bullmq.moving import Watch
from ringback.importing.bullmq.plans import name_of
from ringback.importing.bullmq.post import MOST_ITEMS, Post
from ringback.importing.bullmq.redis_ledger import Ledger
from ringback.wire import cron

_ENDED = ("DELIVERED", "FAILED", "CANCELED")
_POLL_S = 0.2
_LATER = {"Upstash-Delay": "1d"}
"""What is published only to learn its id must not run before it is canceled, a moment later."""


@dataclass(slots=True)
class Returned:
    """What a rollback did.

    Attributes:
        back: jobs and schedules that are in BullMQ again.
        ran: jobs that have run or ended at the broker, and stay there.
        busy: jobs that are being delivered at this moment; another call settles them.
    """

    back: int = 0
    ran: int = 0
    busy: list[str] = field(default_factory=list)


class Returner:
    """Rolls an import back.

    Args:
        ledger: what was moved.
        post: the way to the broker.
        transport: the same, for other calls.
        patience: seconds to wait for a delivery in flight to end.
        watch: told of every step.
        clock: tells the time.
    """

    def __init__(
        self,
        ledger: Ledger,
        post: Post,
        transport: Transport,
        patience: float = 30,
        watch: Watch = lambda _step, _count: None,
        clock: Clock = now,
    ) -> None:
        self._ledger, self._post, self._transport = ledger, post, transport
        self._patience, self._watch, self._clock = patience, watch, clock

    def roll_back(self) -> Returned:
        """Put back whatever can be, the last claimed first, and let the queue go on if the import had paused it."""
        self._ledger.turn_back()
        done = Returned()
        rows = sorted(self._ledger.rows(), key=lambda row: row.seq, reverse=True)
        rows = [row for row in rows if row.phase != "returned"]
        for start in range(0, len(rows), MOST_ITEMS):
            self._return(rows[start : start + MOST_ITEMS], done)
        if not done.busy:
            self._ledger.resume()
            self._ledger.finish_rollback()
        return done

    def _return(self, rows: Sequence[Row], done: Returned) -> None:
        back = []
        for row in rows:
            ended = self._take_back(row)
            if ended == "back":
                taken = self._next_run(row) if row.place == "repeat" and row.sent else row
                back.append(taken.to("returned", reason="rolled back"))
            elif ended == "ran":
                done.ran += 1
            else:
                done.busy.append(row.id)
        self._watch("canceled", len(back))
        done.back += self._ledger.put_back(back)
        self._watch("returned", len(back))
        self._forget_schedules(back)

    def _take_back(self, row: Row) -> str:
        """Take one job from the broker: `back` when it is nowhere but with us, `ran` when it has ended there, or `busy`."""
        if row.phase == "claimed" or row.place == "repeat":
            return "back"
        if row.action == "letter":
            return self._unbury(row)
        ids = (row.sent or self._post.find(row) or self._ask_for_id(row)).split(",")
        states = [self._cancel(message_id) for message_id in ids]
        if "busy" in states:
            return "busy"
        return "back" if all(state == "CANCELED" for state in states) else "ran"

    def _ask_for_id(self, row: Row) -> str:
        """Publish under the same deduplication id, for much later: says the id, whether it was known or not."""
        name = name_of(row.token, row.field)
        headers = {"Upstash-Deduplication-Id": name, "Upstash-Label": name, **_LATER}
        call = management.publish("https://never.invalid/", b"", headers | {"Upstash-Retries": "0"})
        answer = self._transport.send(call)
        return str((answer[0] if isinstance(answer, list) else answer)["messageId"])

    def _cancel(self, message_id: str) -> str:
        """Cancel a message and return the state that it ended in, or `busy`."""
        try:
            self._transport.send(management.cancel_message(message_id))
        except Refused as error:
            if error.status != 404:
                raise
        end = time.monotonic() + self._patience
        while True:
            events = self._transport.send(management.events({"messageId": message_id})).items
            ended = next((str(one["state"]) for one in events if one["state"] in _ENDED), None)
            if ended or not events:
                return ended or "FAILED"
            if time.monotonic() > end:
                return "busy"
            time.sleep(_POLL_S)

    def _unbury(self, row: Row) -> str:
        which = {"label": name_of(row.token, row.field)}
        letters = self._transport.send(management.dead_letters(which)).items
        if letters:
            self._transport.send(management.delete_dead_letters({"dlqIds": [str(one["dlqId"]) for one in letters]}))
            return "back"
        if row.phase == "sending" and not self._post.find(row):
            return "back"
        # its letter was sent again over there, unless it was we who took it, a moment before a crash
        events = self._transport.send(management.events({"label": which["label"], "state": "CREATED"})).items
        return "back" if len(events) <= 1 else "ran"

    def _next_run(self, row: Row) -> Row:
        """Stop a schedule; where it has made the run that was taken along, the next one takes that one's place."""
        try:
            self._transport.send(management.pause_schedule(row.sent))
            known = self._transport.send(management.schedule(row.sent))
        except Refused as error:
            if error.status != 404:
                raise
            return row
        if not row.pscore or int(known.get("lastScheduleTime") or 0) < int(float(row.pscore)) // 4096:
            return row
        return replace(row, pscore=str(cron.parse(str(known["cron"])).next_at(self._clock()) * 4096))

    def _forget_schedules(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.place == "repeat" and row.sent:
                with suppress(Refused):
                    self._transport.send(management.delete_schedule(row.sent))
