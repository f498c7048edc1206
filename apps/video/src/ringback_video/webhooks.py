"""Calls from providers: a video is finished, or not; the run that waits for it is woken."""

import time

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from ringback.client import AsyncWorkflowClient
from ringback_video.api.described import answer, problems
from ringback_video.jobs import Job
from ringback_video.parking import decided_by_itself, tell
from ringback_video.problems import Problem
from ringback_video.providers.contract import BadSignature, Webhook
from ringback_video.studio import Studio

WEBHOOK_PATH = "/api/webhooks"
_MOST_BYTES = 1024 * 1024
_HEARD = answer({"status": "heard"})


def news_of(job_id: str) -> str:
    """Return the event that says: there is news of this job."""
    return f"video-{job_id}"


def routes(studio: Studio) -> APIRouter:
    """Return the route that providers call."""
    router = APIRouter(tags=["callbacks"])
    client = AsyncWorkflowClient(studio.broker)

    @router.post(f"{WEBHOOK_PATH}/{{job_id}}", responses=_HEARD | problems(401, 404, 413, 422))
    async def hear(job_id: str, request: Request) -> dict[str, str]:
        """Wake the run of a job. A webhook is a reason to look, not the truth itself, so twice or early does no harm."""
        body = await request.body()
        if len(body) > _MOST_BYTES:
            raise Problem(413, "Too large", "A webhook has at most one megabyte.")
        try:
            webhook = studio.provider.verify_webhook(dict(request.headers), body, time.time())  # noqa: TID251 - as it arrives
        except BadSignature as error:
            raise Problem(401, "Not from the provider", str(error)) from error
        run_id = await run_in_threadpool(_note, studio, job_id, webhook)
        await run_in_threadpool(tell, studio, job_id)
        if run_id is not None:
            await client.notify(news_of(job_id), {"webhook": webhook.id}, run_id)
        return {"status": "heard"}

    return router


def _note(studio: Studio, job_id: str, webhook: Webhook) -> str | None:
    """Write down the operation of a job whose order's answer was lost; return the run to wake, None if none waits."""
    with studio.database.transaction() as session:
        job = session.get(Job, job_id, with_for_update=True)
        if job is None:
            raise Problem(404, "Unknown job", f"There is no job {job_id!r}.", "jobId")
        if job.operation_id is None:
            job.operation_id = webhook.operation_id
        decided_by_itself(session, job)
        return None if job.is_over else job.run_id
