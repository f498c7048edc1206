"""One BullMQ queue in Redis, to be read: what stands where."""

import re
from collections.abc import Iterator
from typing import Any, cast

import redis

from ringback.importing.bullmq.jobs import FIELDS, Job, Place, is_marker, read_job, read_object, text_or_none
from ringback.importing.bullmq.repeats import Repeat, read_repeat

CHUNK = 500
_SCHEMES = ("redis", "rediss", "unix")
_LISTS = ("wait", "paused", "active")


def connect(url: str) -> "redis.Redis":
    """Return a connection; text that is not UTF-8 comes through unharmed.

    Raises:
        ValueError: the URL is none of Redis.
    """
    scheme = url.partition("://")[0]
    if scheme in ("postgres", "postgresql"):
        raise ValueError("--redis: queues that BullMQ 6 keeps in PostgreSQL are not read: expected a URL with redis://")
    if scheme not in _SCHEMES:
        raise ValueError(f"--redis: expected a URL with {', '.join(f'{one}://' for one in _SCHEMES)}")
    return redis.Redis.from_url(
        url, decode_responses=True, encoding_errors="surrogateescape", socket_timeout=60, socket_connect_timeout=10
    )


def find_queues(connection: "redis.Redis", prefix: str) -> list[str]:
    """Return the names of all queues under a prefix: each has a counter, and most a `meta`."""
    found: set[str] = set()
    for ending in ("id", "meta"):
        start, end = f"{prefix}:", f":{ending}"
        for key in connection.scan_iter(match=f"{_literal(start)}*{end}", count=1000):
            found.add(str(key)[len(start) : -len(end)])
    return sorted(name for name in found if name)


class RedisQueue:
    """Reads a queue.

    Args:
        connection: to Redis, decoding answers.
        prefix: BullMQ's prefix, `bull` unless it was changed.
        name: the queue.
    """

    def __init__(self, connection: "redis.Redis", prefix: str, name: str) -> None:
        self.redis: Any = connection
        self.name = name
        self.base = f"{prefix}:{name}:"

    def exists(self) -> bool:
        """Return whether there is anything of such a queue."""
        return bool(self.redis.exists(*(self.base + part for part in ("id", "meta", "wait", "paused", "delayed"))))

    def meta(self) -> dict[str, str]:
        """Return the queue's own settings."""
        return cast("dict[str, str]", self.redis.hgetall(self.base + "meta"))

    def moves_on_pause(self) -> bool:
        """Return whether its version (up to 5) renames the list `wait` to `paused` on a pause."""
        found = re.search(r":(\d+)\.", self.meta().get("version", ""))
        return found is None or int(found[1]) <= 5

    def size(self, place: str) -> int:
        """Return how many entries a place has."""
        key = self.base + place
        return int(self.redis.llen(key) if place in _LISTS else self.redis.zcard(key))

    def chunk(self, place: Place, skip: int, most: int = CHUNK) -> list[tuple[str, str]]:
        """Return ids and scores in the order in which workers would take them, markers included."""
        key = self.base + place
        if place in _LISTS:
            found = self.redis.lrange(key, -(skip + most), -(skip + 1))
            return [(one, "") for one in reversed(found)]
        return [(one, f"{score:.17g}") for one, score in self.redis.zrange(key, skip, skip + most - 1, withscores=True)]

    def jobs(self, place: Place, entries: list[tuple[str, str]], *, data: bool = False) -> list[Job | None]:
        """Return the jobs of some entries; None for a marker or an id without a job."""
        fields = [*FIELDS, *(["data"] if data else [])]
        pipe = self.redis.pipeline(transaction=False)
        for job_id, _ in entries:
            key = self.base + job_id
            pipe.hmget(key, fields)
            pipe.exists(f"{key}:dependencies", f"{key}:processed", f"{key}:failed", f"{key}:unsuccessful")
        answers = pipe.execute()
        jobs: list[Job | None] = []
        for number, (job_id, score) in enumerate(entries):
            values, relatives = answers[2 * number], answers[2 * number + 1]
            stored = {name: value for name, value in zip(fields, values, strict=True) if value is not None}
            jobs.append(read_job(job_id, place, stored, score=score, relatives=relatives))
        return jobs

    def walk(self, place: Place, *, data: bool = False) -> Iterator[tuple[str, Job | None]]:
        """Yield every entry of a place that stands still, with its job; markers are left out."""
        skip = 0
        while entries := self.chunk(place, skip):
            for (job_id, _), job in zip(entries, self.jobs(place, entries, data=data), strict=True):
                if job is not None or not is_marker(job_id):
                    yield job_id, job
            skip += len(entries)

    def running(self) -> tuple[int, dict[str, Job]]:
        """Return how many active jobs a worker holds, and by id those that none holds."""
        entries = [(one, "") for one in reversed(self.redis.lrange(self.base + "active", 0, -1))]
        pipe = self.redis.pipeline(transaction=False)
        for job_id, _ in entries:
            pipe.exists(f"{self.base}{job_id}:lock")
        locks = pipe.execute()
        free = [entry for entry, locked in zip(entries, locks, strict=True) if not locked]
        jobs = {job.id: job for job in self.jobs("active", free) if job is not None}
        return sum(locks), jobs

    def is_running(self, job_id: str) -> bool:
        """Return whether a job stands among the active ones."""
        return job_id in self.redis.lrange(self.base + "active", 0, -1)

    def keep_lasts(self) -> list[tuple[Job, bool]]:
        """Return the jobs that wait for the end of another with their deduplication id, and whether that one runs."""
        found = []
        start = f"{self.base}dn:"
        for key in sorted(self.redis.scan_iter(match=f"{_literal(start)}*", count=1000)):
            job = self.keep_last(key, str(key)[len(start) :])
            owner = self.redis.get(f"{self.base}de:{job.deduplication}")
            found.append((job, owner is not None and self.is_running(owner)))
        return found

    def keep_last(self, key: str, deduplication: str) -> Job:
        """Return the job that a keep-last hash holds whole."""
        stored = self.redis.hgetall(key)
        opts = read_object(stored.get("opts", "{}"))
        return Job(
            id=stored.get("jid") or f"keep-last-{deduplication}",
            place="keep-last",
            name=stored.get("name", ""),
            timestamp=str((opts or {}).get("timestamp") or 0),
            data=stored.get("data", ""),
            opts=opts,
            family="it is a child of a flow" if stored.get("pk") else "",
            repeat_key=text_or_none(stored.get("rjk")),
            deduplication=deduplication,
        )

    def repeats(self) -> list[tuple[str, Repeat | None]]:
        """Return the schedules by key, each with its next run; None for what cannot be read."""
        members = self.redis.zrange(self.base + "repeat", 0, -1, withscores=True)
        if not members:
            return []
        pending = self._next_runs()
        return [(key, self.repeat(key, f"{score:.17g}", pending.get(key))) for key, score in members]

    def _next_runs(self) -> dict[str, Job]:
        """Return the next run of each schedule by its key: where it waits for its time, else where it is due."""
        found: dict[str, Job] = {}
        places: tuple[Place, ...] = ("delayed", "prioritized", "paused", "wait")
        for place in places:
            skip = 0
            while entries := self.chunk(place, skip):
                skip += len(entries)
                chosen = [entry for entry in entries if entry[0].startswith("repeat:")]
                for job in self.jobs(place, chosen, data=True):
                    if job is not None and job.repeat_key:
                        found.setdefault(job.repeat_key, job)
        return found

    def repeat(self, key: str, score: str, pending: Job | None) -> Repeat | None:
        """Return one schedule."""
        return read_repeat(key, score, self.redis.hgetall(f"{self.base}repeat:{key}"), pending)


def _literal(text: str) -> str:
    return re.sub(r"([*?\[\]\\^])", r"\\\1", text)
