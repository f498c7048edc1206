"""What a queue holds and what would become of it: the inventory and the plan, read only."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ringback.importing.bullmq.jobs import Job, Place
from ringback.importing.bullmq.plans import Move, Standing, Stay, plan
from ringback.importing.bullmq.redis_queue import RedisQueue
from ringback.importing.bullmq.schedules import Timetable, plan_schedule
from ringback.importing.bullmq.wishes import Wishes

Tell = Callable[[dict[str, Any]], None]
"""Gets what becomes of each job."""

_PLACES: tuple[Place, ...] = ("wait", "paused", "prioritized", "delayed", "failed")
_SAMPLES = 3


@dataclass(slots=True)
class Said:
    """How many jobs something is said of, and the first of them."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    def of(self, job_id: str) -> None:
        """It is said of this one too."""
        self.count += 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(job_id)


@dataclass(slots=True)
class Survey:
    """What was found.

    Attributes:
        found: jobs and schedules by state.
        moves: how many would go over, by state and action.
        stays: how many would stay, by state.
        reasons: why, by reason.
        notes: what cannot be carried, by note.
        running: jobs that workers hold.
        next_runs: jobs that belong to schedules and move or stay with them.
        completed: jobs that are done, and left.
        families: parents that wait for children.
        ghosts: ids without a job.
        about_queue: what the queue itself has that jobs do not say.
    """

    found: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    stays: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Said] = field(default_factory=dict)
    notes: dict[str, Said] = field(default_factory=dict)
    running: int = 0
    next_runs: int = 0
    completed: int = 0
    families: int = 0
    ghosts: int = 0
    about_queue: list[str] = field(default_factory=list)

    def baseline(self, *, paused: bool) -> str:
        """Return what a later account is compared with, as JSON; `paused` says that workers were stopped before."""
        return json.dumps({"found": dict(self.found), "quiet": paused and not self.running})


def survey(queue: RedisQueue, wishes: Wishes, now: int, tell: Tell = lambda _: None) -> Survey:
    """Look at everything a queue holds and plan each job; nothing is changed.

    Args:
        queue: which.
        wishes: where jobs would go.
        now: milliseconds since the epoch.
        tell: gets what becomes of each job.
    """
    seen = Survey(completed=queue.size("completed"), families=queue.size("waiting-children"))
    seen.about_queue = about(queue.meta())
    schedules, staying = _schedules(queue, wishes, now, seen, tell)
    standing = Standing(now, frozenset(staying))
    for place in _PLACES:
        for job_id, job in queue.walk(place):
            if job is None:
                seen.ghosts += 1
                _say(seen.reasons, "its data is gone", job_id)
            elif _is_next_run(job, schedules, standing):
                seen.next_runs += 1
            else:
                _count(seen, job, plan(job, wishes, standing), tell)
    seen.running, stalled = queue.running()
    for job in stalled.values():
        _count(seen, job, plan(job, wishes, standing), tell)
    for job, held in queue.keep_lasts():
        held_back = Stay("the job it waits for is still running")
        _count(seen, job, held_back if held else plan(job, wishes, standing), tell)
    return seen


def about(meta: dict[str, str]) -> list[str]:
    """Return what a queue's own settings ask for that no job carries."""
    told = []
    if meta.get("max"):
        told.append(
            f"the queue's rate of {meta['max']} per {meta.get('duration', '?')} ms is not carried: "
            "give it with --header 'Upstash-Flow-Control-Key: ...' and 'Upstash-Flow-Control-Value: rate=...,period=...'"
        )
    if meta.get("concurrency"):
        told.append(
            f"the queue's concurrency of {meta['concurrency']} is not carried: use --into with --parallelism, or flow control"
        )
    return told


def _schedules(
    queue: RedisQueue, wishes: Wishes, now: int, seen: Survey, tell: Tell
) -> tuple[frozenset[str], set[str]]:
    keys, staying = set(), set()
    for key, repeat in queue.repeats():
        keys.add(key)
        planned = Stay("it cannot be read") if repeat is None else plan_schedule(repeat, wishes, now)
        if isinstance(planned, Stay):
            staying.add(key)
        job = Job(f"schedule {key}", "wait", repeat.name if repeat else "", "0")
        _count(seen, job, planned, tell, state="schedule")
    return frozenset(keys), staying


def _is_next_run(job: Job, schedules: frozenset[str], standing: Standing) -> bool:
    if job.repeat_key not in schedules or job.place == "failed":
        return False
    return job.repeat_key in standing.staying or (job.due_at or 0) > standing.now


def _count(seen: Survey, job: Job, planned: Move | Stay | Timetable, tell: Tell, state: str | None = None) -> None:
    state = state or job.state
    seen.found[state] += 1
    about_job: dict[str, Any] = {"job": job.id, "name": job.name, "state": state}
    if isinstance(planned, Stay):
        seen.stays[state] += 1
        _say(seen.reasons, planned.reason, job.id)
        tell(about_job | {"action": "stay", "reason": planned.reason})
        return
    action = planned.action if isinstance(planned, Move) else "schedule"
    seen.moves[state, action] += 1
    for note in planned.notes:
        _say(seen.notes, note, job.id)
    cron = {"cron": planned.cron} if isinstance(planned, Timetable) else {}
    tell(about_job | {"action": action, "destination": planned.item["destination"], "notes": planned.notes} | cron)


def _say(what: dict[str, Said], text: str, job_id: str) -> None:
    what.setdefault(text, Said()).of(job_id)
