"""Nobody is stuck: a schedule on the broker calls Studio every minute, which looks after jobs that do not get on.

It needs no process of its own, so it works where none stays up. `video-studio watch` makes the schedule.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import APIRouter, Request
from qstash import Receiver
from qstash.errors import SignatureError
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from ringback_video.api.described import Responses, problems
from ringback_video.jobs import WAYS, Job, Status, move
from ringback_video.problems import Problem
from ringback_video.publishing import publish
from ringback_video.studio import Studio
from ringback_video.tables import now

WATCHDOG_PATH = "/api/watchdog"
SCHEDULE_ID = "video-studio-watchdog"
_UNPUBLISHED_AFTER = timedelta(seconds=5)
_LONGEST = timedelta(hours=2, minutes=10)
"""A little more than the workflow gives itself: it ends its jobs with better reasons."""
_AT_ONCE = 200
_SEEN: Responses = {200: {"content": {"application/json": {"example": {"published": ["3f0c2f4e"], "ended": []}}}}}
_OPEN = [status.value for status, ways in WAYS.items() if ways]


@dataclass(slots=True)
class Seen:
    """What one look has found and done; ids of jobs."""

    published: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def look(studio: Studio) -> Seen:
    """Publish jobs that the broker does not have, and end those that have taken too long, with a reason."""
    seen = Seen()
    for job_id in _unpublished(studio):
        if publish(studio, job_id):
            seen.published.append(job_id)
    with studio.database.transaction() as session:
        late = select(Job).where(Job.status.in_(_OPEN), Job.created_at < now() - _LONGEST).limit(_AT_ONCE)
        for job in session.scalars(late.with_for_update()):
            where = f"in the step {job.step}" if job.step else "before its first step"
            if move(
                session,
                job,
                Status.FAILED,
                f"Not finished after two hours, {where}. Nothing was charged to the shop.",
            ):
                seen.ended.append(job.id)
    return seen


def _unpublished(studio: Studio) -> list[str]:
    with studio.database.transaction() as session:
        waiting = select(Job.id).where(
            Job.status == Status.QUEUED, Job.published_at.is_(None), Job.created_at < now() - _UNPUBLISHED_AFTER
        )
        return list(session.scalars(waiting.order_by(Job.created_at).limit(_AT_ONCE)))


def watch(studio: Studio) -> None:
    """Make the schedule on the broker, or replace the one that is there."""
    studio.queue.schedule.create(
        destination=f"{studio.settings.public_url}{WATCHDOG_PATH}", cron="* * * * *", schedule_id=SCHEDULE_ID, retries=0
    )


def routes(studio: Studio) -> APIRouter:
    """Return the route that the broker calls."""
    router = APIRouter(tags=["callbacks"])
    current, following = studio.settings.signing_keys
    receiver = Receiver(current, following)

    @router.post(WATCHDOG_PATH, responses=_SEEN | problems(401))
    async def guard(request: Request) -> dict[str, list[str]]:
        """Look after the jobs; only the broker may ask for it."""
        body = (await request.body()).decode(errors="replace")
        url = f"{studio.settings.public_url}{WATCHDOG_PATH}"
        try:
            receiver.verify(signature=request.headers.get("upstash-signature", ""), body=body, url=url)
        except SignatureError as error:
            raise Problem(401, "Not from the broker", str(error)) from error
        seen = await run_in_threadpool(look, studio)
        return {"published": seen.published, "ended": seen.ended}

    return router
