"""The ledger of one queue in Redis: claims, changes of rows, and putting back."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ringback.errors import RingbackError
from ringback.importing.bullmq import scripts
from ringback.importing.bullmq.jobs import Job
from ringback.importing.bullmq.ledger import Row, decode, encode, tail
from ringback.importing.bullmq.redis_queue import RedisQueue
from ringback.importing.bullmq.repeats import Repeat


class LedgerBusy(RingbackError):
    """The ledger is not in the state that was expected: something else works on it, or a rollback has begun."""


class Ledger:
    """Keeps the rows of an import beside the queue.

    Args:
        queue: whose jobs they are.
        keep_s: seconds that the hashes of moved jobs are kept in Redis.
    """

    def __init__(self, queue: RedisQueue, keep_s: int) -> None:
        self.queue = queue
        self._redis: Any = queue.redis
        self._keep_s = keep_s
        self._rows, self._import = f"{queue.base}ringback:ledger", f"{queue.base}ringback:import"
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (
                scripts.PAUSE, scripts.RESUME, scripts.CLAIM, scripts.CLAIM_KEEP_LAST, scripts.CLAIM_SCHEDULE,
                scripts.WRITE, scripts.RELEASE_NEXT_RUN, scripts.PUT_BACK,
            )
        }  # fmt: skip

    @property
    def token(self) -> str:
        """What tells this import's rows and messages from those of others; "" before one has begun."""
        return self.about().get("token", "")

    def about(self) -> dict[str, str]:
        """Return what is known of the import itself; empty when there is none."""
        return dict(self._redis.hgetall(self._import))

    def begin(self, now: int) -> None:
        """Begin an import, or go on with one that was begun; its token goes into every deduplication id.

        Raises:
            LedgerBusy: a rollback has begun and not ended.
        """
        known = self.about()
        if known.get("phase") == "returning":
            raise LedgerBusy("a rollback of this queue was begun: run --rollback again until it has ended")
        if known.get("phase") != "moving":
            fresh = {"token": secrets.token_hex(8), "began_at": str(now), "phase": "moving"}
            with self._redis.pipeline() as pipe:
                pipe.hdel(self._import, "baseline")
                pipe.hset(self._import, mapping=fresh)
                pipe.execute()

    def remember(self, baseline: str) -> str:
        """Keep what was found at the beginning; what was kept before wins."""
        self._redis.hsetnx(self._import, "baseline", baseline)
        return self.about()["baseline"]

    def turn_back(self) -> None:
        """Let no import go on: a rollback begins."""
        self._redis.hset(self._import, "phase", "returning")

    def finish_rollback(self) -> None:
        """End a rollback; what was returned stays in the ledger, the next import takes a new token."""
        self._redis.hset(self._import, "phase", "returned")

    def pause(self) -> bool:
        """Pause the queue as BullMQ does; False where it was paused."""
        return bool(self._run(scripts.PAUSE, "1" if self.queue.moves_on_pause() else "0"))

    def resume(self) -> bool:
        """Undo our own pause."""
        return bool(self._run(scripts.RESUME, "1"))

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the import that is under way, or was the last one, in no order."""
        token = self.token
        for field, text in self._redis.hscan_iter(self._rows, count=1000):
            row = decode(field, text)
            if row.token == token:
                yield row

    def row(self, field: str) -> Row:
        """Return one row.

        Raises:
            KeyError: there is none.
        """
        text = self._redis.hget(self._rows, field)
        if text is None:
            raise KeyError(field)
        return decode(field, text)

    def claim(self, place: str, jobs: Sequence[Job]) -> list[Row]:
        """Take jobs out of their place; those that somebody else has taken are not among the answer."""
        arguments, token = [place], self.token
        fields = [field_of(job) for job in jobs]
        for field, job in zip(fields, jobs, strict=True):
            row = Row(field, "", place=place, state=job.state, id=job.id, token=token)
            arguments += [field, job.id, job.timestamp, job.processed_on, tail(row)]
        taken = self._run(scripts.CLAIM, *arguments)
        return self._read([field for field, yes in zip(fields, taken, strict=True) if yes])

    def claim_keep_last(self, job: Job) -> Row | None:
        """Take a keep-last job whose owner runs no more."""
        deduplication = job.deduplication or ""
        field = f"keep-last:{job.timestamp}:{job.id}"
        row = Row(field, "", place="keep-last", state="keep-last", id=deduplication, token=self.token)
        done = self._run(scripts.CLAIM_KEEP_LAST, deduplication, field, self.aside(row), tail(row))
        return self.row(field) if done else None

    def claim_schedule(self, repeat: Repeat, *, with_next_run: bool) -> Row | None:
        """Take a schedule, and its next run with it if asked to."""
        field, pending = f"schedule:{repeat.key}", repeat.pending or ""
        row = Row(field, "", place="repeat", state="schedule", id=repeat.key, pending=pending, token=self.token)
        taken = pending if with_next_run else ""
        done = self._run(scripts.CLAIM_SCHEDULE, repeat.key, field, taken, tail(row))
        return self.row(field) if done else None

    def write(self, rows: Iterable[Row], phase: str = "moving") -> list[Row]:
        """Write changed rows over those they were made from.

        Raises:
            LedgerBusy: one of them is not as it was.
        """
        changed = list(rows)
        keep = self._keep_s if any(row.phase == "moved" for row in changed) else 0
        arguments = [phase, str(keep)]
        for row in changed:
            next_run = f"{self.queue.base}{row.pending}" if row.pscore else ""
            arguments += [row.field, row.text, encode(row), self.stored(row), next_run]
        done = self._run(scripts.WRITE, *arguments)
        if not done and changed:
            raise LedgerBusy("this import was stopped: a rollback has begun")
        if not all(done):
            raise LedgerBusy("another import works on this queue: wait for its end, then run again")
        return [decode(row.field, encode(row)) for row in changed]

    def release_next_run(self, row: Row) -> Row:
        """Make the next run that was taken along an ordinary delayed job again."""
        changed = row.without_next_run()
        if self._run(scripts.RELEASE_NEXT_RUN, row.field, row.text, changed.text, row.pending, row.pscore):
            return changed
        raise LedgerBusy("another import works on this queue: wait for its end, then run again")

    def put_back(self, rows: Sequence[Row]) -> int:
        """Put jobs back where they came from, the last claimed first; says how many.

        Args:
            rows: rows in phase `returned`, not written yet.
        """
        ordered = sorted(rows, key=lambda row: row.seq, reverse=True)
        arguments = ["1" if self.queue.moves_on_pause() else "0"]
        for row in ordered:
            arguments += [row.field, row.text, encode(row), row.place, row.id, row.score]
            arguments += [row.pending, row.pscore, self.aside(row)]
        return sum(self._run(scripts.PUT_BACK, *arguments)) if ordered else 0

    def aside(self, row: Row) -> str:
        """Return the key under which a claimed keep-last job lives."""
        return f"{self.queue.base}ringback:{row.field}" if row.place == "keep-last" else ""

    def stored(self, row: Row) -> str:
        """Return the key of what a row is about."""
        if row.place == "repeat":
            return f"{self.queue.base}repeat:{row.id}"
        return self.aside(row) or f"{self.queue.base}{row.id}"

    def _read(self, fields: list[str]) -> list[Row]:
        if not fields:
            return []
        return [decode(field, text) for field, text in zip(fields, self._redis.hmget(self._rows, fields), strict=True)]

    def _run(self, script: str, *arguments: str) -> Any:
        return self._scripts[script](keys=[self._rows, self._import, self.queue.base], args=list(arguments))


def field_of(job: Job) -> str:
    """Return the name of a job's row: an id may be used again once its job is gone, the two together are not."""
    return f"{job.timestamp}:{job.id}"
