"""Carrying out an import: claim, send, note down, job after job; killed anywhere and run again, it goes on where it was.

Whatever is taken out of BullMQ stands in the ledger in the same breath. It is marked before it is sent, so that after a crash the
broker is asked for it by its label; it is sent under a deduplication id, so that two of us are no harm either.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ringback.clock import Clock, now
from ringback.errors import Refused
from ringback.importing.bullmq.jobs import Job, Place
from ringback.importing.bullmq.ledger import OPEN, Row
from ringback.importing.bullmq.plans import Move, Standing, Stay, plan
from ringback.importing.bullmq.post import MOST_ITEMS, Post
from ringback.importing.bullmq.redis_ledger import Ledger
from ringback.importing.bullmq.redis_queue import RedisQueue
from ringback.importing.bullmq.repeats import Repeat
from ringback.importing.bullmq.schedules import Timetable, plan_schedule
from ringback.importing.bullmq.wishes import Wishes

Watch = Callable[[str, int], None]
"""Told of every step as it is done: `claimed`, `sending`, `sent`, `moved`, `returned`, `running`; and how many it is about."""

_IN_ORDER: tuple[Place, ...] = ("wait", "paused", "prioritized", "delayed")
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    Attributes:
        running: for workers to finish what they are at.
        stalled: between two looks at a job without a worker; both must find it so.
    """

    running: float = 60
    stalled: float = 5


class Mover:
    """Moves one queue.

    Args:
        queue: where jobs are.
        ledger: what becomes of each.
        post: the way to the broker.
        wishes: where to and how.
        patience: how long to wait for workers.
        watch: told of every step.
        clock: tells the time.
    """

    def __init__(
        self,
        queue: RedisQueue,
        ledger: Ledger,
        post: Post,
        wishes: Wishes,
        patience: Patience | None = None,
        watch: Watch = lambda _step, _count: None,
        clock: Clock = now,
    ) -> None:
        self._queue, self._ledger, self._post, self._wishes = queue, ledger, post, wishes
        self._patience, self._watch, self._clock = patience or Patience(), watch, clock
        self._staying: set[str] = set()
        self._refused: set[str] = set()

    def quiet(self) -> None:
        """Pause the queue, and wait until no worker is at a job, or patience ends."""
        self._ledger.pause()
        end = time.monotonic() + self._patience.running
        while (running := self._queue.running()[0]) and time.monotonic() < end:
            self._watch("running", running)
            time.sleep(_POLL_S)

    def move(self) -> None:
        """Move everything that can be moved; what an earlier call left half done comes first.

        Raises:
            RingbackError: the broker or the ledger stops it; run it again to go on.
        """
        self.finish_begun()
        self._move_schedules()
        while self._move_places(_IN_ORDER):
            pass  # what workers put back meanwhile
        self._move_places(("failed",))
        self._move_stalled()
        for job, held in self._queue.keep_lasts():
            if not held and isinstance(self._plan(job), Move):
                row = self._ledger.claim_keep_last(job)
                if row is not None:
                    self._watch("claimed", 1)
                    self._send([row])

    def finish_begun(self) -> None:
        """Settle the rows that a killed import left open, in the order of their claims."""
        rows = sorted((row for row in self._ledger.rows() if row.phase in OPEN), key=lambda row: row.seq)
        known: list[Row] = []
        for row in rows:
            sent = self._post.find(row) if row.phase == "sending" and row.place != "repeat" else ""
            if sent:
                known.append(row.to("moved", sent=sent))
        self._ledger.write(known)
        settled = {row.field for row in known}
        left = [row for row in rows if row.field not in settled]
        for row in left:
            if row.place == "repeat":
                self._resend_schedule(row)
        jobs = [row for row in left if row.place != "repeat"]
        for start in range(0, len(jobs), MOST_ITEMS):
            self._send(jobs[start : start + MOST_ITEMS])

    def _plan(self, job: Job) -> Move | Stay:
        if job.id in self._refused:
            return Stay("the broker refuses it")
        return plan(job, self._wishes, Standing(self._clock(), frozenset(self._staying)))

    def _move_places(self, places: Sequence[Place]) -> int:
        return sum(self._drain(place) for place in places)

    def _drain(self, place: Place) -> int:
        """Move what can be moved of one place, in order; says how many."""
        moved = skip = 0
        while entries := self._queue.chunk(place, skip, MOST_ITEMS):
            jobs = self._queue.jobs(place, entries)
            chosen = [job for job in jobs if job is not None and isinstance(self._plan(job), Move)]
            rows = self._claim(place, chosen)
            sent = self._send(rows)
            moved += sent
            skip += len(entries) - sent
        return moved

    def _claim(self, place: Place, jobs: Sequence[Job]) -> list[Row]:
        rows = self._ledger.claim(place, jobs) if jobs else []
        if rows:
            self._watch("claimed", len(rows))
        return rows

    def _move_stalled(self) -> None:
        """Take active jobs that no worker holds, at two looks: older versions take a job first and lock it then."""
        before = self._queue.running()[1]
        if not any(isinstance(self._plan(job), Move) for job in before.values()):
            return
        time.sleep(self._patience.stalled)
        after = self._queue.running()[1]
        stalled = [
            job
            for job in after.values()
            if job.id in before
            and before[job.id].processed_on == job.processed_on
            and isinstance(self._plan(job), Move)
        ]
        for start in range(0, len(stalled), MOST_ITEMS):
            self._send(self._claim("active", stalled[start : start + MOST_ITEMS]))

    def _send(self, rows: Sequence[Row]) -> int:
        """Send the jobs of rows; says how many the broker took."""
        moves: list[tuple[Row, Move]] = []
        back: list[Row] = []
        for row, job in zip(rows, self._jobs_of(rows), strict=True):
            planned = self._plan(job) if job is not None else Stay("its data is gone")
            if isinstance(planned, Stay):
                back.append(self._no(row, planned.reason))
            else:
                moves.append((row.to("sending", action=planned.action), planned))
        self._put_back(back)
        if not moves:
            return 0
        marked = self._ledger.write(row for row, _ in moves)
        self._watch("sending", len(marked))
        done, refused = [], []
        pairs = list(zip(marked, (move for _, move in moves), strict=True))
        for posted in self._post.send(pairs, f"import-{self._ledger.token}"):
            if posted.refused:
                refused.append(self._no(posted.row, posted.refused))
            else:
                done.append(posted.row.to("moved", sent=posted.sent))
        self._watch("sent", len(done))
        self._ledger.write(done)
        self._put_back(refused)
        self._watch("moved", len(done))
        return len(done)

    def _jobs_of(self, rows: Sequence[Row]) -> list[Job | None]:
        """Read the jobs of claimed rows, whole."""
        found: dict[str, Job | None] = {}
        for place in {row.place for row in rows}:
            of_place = [row for row in rows if row.place == place]
            if place == "keep-last":
                found |= {row.field: self._queue.keep_last(self._ledger.aside(row), row.id) for row in of_place}
                continue
            entries = [(row.id, row.score) for row in of_place]
            jobs = self._queue.jobs(place, entries, data=True)  # type: ignore[arg-type] # written by a claim
            found |= dict(zip((row.field for row in of_place), jobs, strict=True))
        return [found[row.field] for row in rows]

    def _no(self, row: Row, reason: str) -> Row:
        self._refused.add(row.id)
        return row.to("returned", reason=reason)

    def _put_back(self, rows: Sequence[Row]) -> None:
        if rows:
            self._ledger.put_back(rows)
            self._watch("returned", len(rows))

    def _move_schedules(self) -> None:
        for key, repeat in self._queue.repeats():
            at = self._clock()
            planned = Stay("it cannot be read") if repeat is None else plan_schedule(repeat, self._wishes, at)
            if repeat is None or isinstance(planned, Stay):
                self._staying.add(key)
                continue
            ahead = repeat.pending_at is not None and repeat.pending_at > at
            row = self._ledger.claim_schedule(repeat, with_next_run=ahead)
            if row is None:
                self._staying.add(key)  # a worker was at it; the next call sees it as it then is
                continue
            self._watch("claimed", 1)
            self._send_schedule(row, repeat, planned, again=False)

    def _send_schedule(self, row: Row, repeat: Repeat, table: Timetable, *, again: bool) -> None:
        """Make a schedule at the broker; a run that fell due before it was made goes over as an ordinary job."""
        if row.phase == "claimed":
            row = self._ledger.write([row.to("sending", action="schedule", sent=table.id)])[0]
            self._watch("sending", 1)
        try:
            made_at = self._post.schedule(table, again=again)
        except Refused as error:
            if error.status not in (400, 404, 412, 413):
                raise
            self._staying.add(repeat.key)
            self._put_back([self._no(row, f"the broker refuses it: {error}")])
            return
        self._watch("sent", 1)
        if row.pscore and int(float(row.pscore)) // 4096 <= made_at:
            row = self._ledger.release_next_run(row)
        self._ledger.write([row.to("moved", sent=table.id)])
        self._watch("moved", 1)

    def _resend_schedule(self, row: Row) -> None:
        entries = [(row.pending, row.pscore)] if row.pending else []
        pending = next(iter(self._queue.jobs("delayed", entries, data=True)), None)
        repeat = self._queue.repeat(row.id, row.score, pending)
        planned = Stay("it cannot be read") if repeat is None else plan_schedule(repeat, self._wishes, self._clock())
        if repeat is None or isinstance(planned, Stay):
            reason = planned.reason if isinstance(planned, Stay) else ""
            self._staying.add(row.id)
            self._put_back([self._no(row, reason)])
            return
        self._send_schedule(row, repeat, planned, again=row.phase == "sending")
