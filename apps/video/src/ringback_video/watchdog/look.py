"""One look after all jobs: what is unpublished is published, what is quiet is explained, revived, or ended."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select

from ringback.client import WorkflowClient
from ringback.errors import Refused, RingbackError
from ringback_video.jobs import WAYS, Job, Status, load, move, note
from ringback_video.parking import ParkedOrder, tell, untold
from ringback_video.publishing import publish
from ringback_video.studio import Studio
from ringback_video.tables import now
from ringback_video.watchdog.rules import QUIET, Act, decide
from ringback_video.watchdog.standing import Standing, standing_of

_UNPUBLISHED_AFTER = timedelta(seconds=5)
_AT_ONCE = 200
_ASKED_AT_ONCE = 25
"""Each of them is some requests to the broker, and a look has to end within a minute."""
_OPEN = [status.value for status, ways in WAYS.items() if ways]
_log = logging.getLogger("ringback_video.watchdog")


@dataclass(slots=True)
class Seen:
    """What one look has found and done; ids of jobs."""

    published: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)


def look(studio: Studio) -> Seen:
    """Look after all jobs that do not get on; what cannot be done now is done at one of the next looks."""
    seen = Seen()
    with studio.database.transaction() as session:
        decided = untold(session)
    for job_id in decided:
        tell(studio, job_id)
    for job_id in _unpublished(studio):
        if publish(studio, job_id):
            seen.published.append(job_id)
    with WorkflowClient(studio.broker) as client:
        for job in _quiet(studio):
            standing = _ask(client, studio, job)
            act = decide(standing, now() - job.updated_at, job.revived)
            _log.warning("job %s makes no progress: %s (%s)", job.id, act.why, act.what)
            _do(studio, client, job.id, standing, act, seen)
    return seen


def _ask(client: WorkflowClient, studio: Studio, job: Job) -> Standing:
    try:
        return standing_of(client, studio.queue, job.id, job.message_id)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way, the job itself is as it was
        return Standing("silent", f"the broker cannot be asked ({type(error).__name__})")


def _do(studio: Studio, client: WorkflowClient, job_id: str, standing: Standing, act: Act, seen: Seen) -> None:
    match act.what:
        case "wait":
            _explain(studio, job_id, act.why)
            seen.waiting[job_id] = act.why
        case "end":
            if _end(studio, job_id, act.why):
                _give_up(client, standing)
                seen.ended.append(job_id)
        case "resume":
            if _resume(studio, client, job_id, standing):
                seen.resumed.append(job_id)
        case "publish":
            _give_up(client, standing)
            _revive(studio, job_id, f"Begun again: {standing.text}.")
            if publish(studio, job_id):
                seen.published.append(job_id)


def _resume(studio: Studio, client: WorkflowClient, job_id: str, standing: Standing) -> bool:
    """Bring a failed run back where it failed: nothing that it has recorded is done again."""
    try:
        [run_id] = client.resume(standing.dlq_id)
    except Refused:
        return False  # somebody else was quicker
    _revive(studio, job_id, f"Resumed where it failed: {standing.text}.", run_id)
    return True


def _revive(studio: Studio, job_id: str, why: str, run_id: str | None = None) -> None:
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        if not job.is_over:
            job.revived, job.updated_at, job.waiting_for = job.revived + 1, now(), ""
            job.run_id = run_id or job.run_id
            note(session, job, why)


def _explain(studio: Studio, job_id: str, why: str) -> None:
    """Say what a job waits for, where it is shown; in its history only the first time."""
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        if not job.is_over:
            if not job.waiting_for:
                note(session, job, f"No progress for a while: {why}.")
            job.waiting_for = why[:1000]


def _end(studio: Studio, job_id: str, why: str) -> bool:
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        where = f"in the step {job.step}" if job.step else "before its first step"
        ended = move(session, job, Status.FAILED, f"It did not get on, {where}: {why}.")
        operation_id = job.operation_id
    if ended and operation_id is not None:
        try:
            studio.provider.cancel(operation_id)
        except Exception as error:  # noqa: BLE001 - the job has ended, whatever the provider says to that
            _log.warning("the video of job %s could not be canceled: %s", job_id, error)
    return ended


def _give_up(client: WorkflowClient, standing: Standing) -> None:
    """A run that will not end by itself is canceled; one that has ended stays as it is."""
    if standing.run_id and standing.where == "going":
        try:
            client.cancel(standing.run_id)
        except RingbackError as error:
            _log.warning("run %s could not be canceled: %s", standing.run_id, error)


def _unpublished(studio: Studio) -> list[str]:
    waiting = select(Job.id).where(
        Job.status == Status.QUEUED, Job.published_at.is_(None), Job.created_at < now() - _UNPUBLISHED_AFTER
    )
    with studio.database.transaction() as session:
        return list(session.scalars(waiting.order_by(Job.created_at).limit(_AT_ONCE)))


def _quiet(studio: Studio) -> list[Job]:
    """Return jobs without progress, those first that were not asked about for longest; what a person decides is left alone."""
    parked = select(ParkedOrder.job_id).where(ParkedOrder.decision.is_(None))
    quiet = (
        select(Job)
        .where(Job.status.in_(_OPEN), Job.updated_at < now() - QUIET, Job.id.not_in(parked))
        .order_by(Job.looked_at.is_not(None), Job.looked_at)
        .limit(_ASKED_AT_ONCE)
    )
    with studio.database.transaction() as session:
        jobs = list(session.scalars(quiet.with_for_update()))
        for job in jobs:
            job.looked_at = now()
        return jobs
