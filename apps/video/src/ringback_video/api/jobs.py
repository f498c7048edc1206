"""A shop's jobs: in pages, one by one, and as they change."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select, tuple_
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State

from ringback_video.access import Caller, check_shop
from ringback_video.api.described import content, problems
from ringback_video.api.shapes import JobShape, job_shape
from ringback_video.cursors import PAGE_HEADERS, cursor_after, read_cursor
from ringback_video.jobs import Job, Status
from ringback_video.problems import Problem
from ringback_video.studio import Studio

_LOOK_EVERY_S = 0.4
_ASK_AGAIN_MS = 1500
_MOST_JOBS = 100
_OVER = (Status.DONE, Status.FAILED, Status.CANCELED)
_EVENTS = content(
    "text/event-stream", {"type": "string"}, 'retry: 1500\ndata: {"jobId": "3f0c2f4e", "status": "queued"}\n\n'
)


def routes(studio: Studio, known: Any) -> APIRouter:
    """Return the routes; `known` finds out who asks."""
    router = APIRouter(tags=["jobs"])

    @router.get("/api/jobs", response_model_exclude_none=True, responses=PAGE_HEADERS | problems(401, 403, 404, 422))
    def list_jobs(
        request: Request,
        response: Response,
        shop_id: Annotated[str | None, Query(alias="shopId", examples=["demo-shop"])] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_JOBS, examples=[20])] = 20,
        cursor: Annotated[str | None, Query(description="`X-Next-Cursor` of the page before.")] = None,
        caller: Caller = known,
    ) -> list[JobShape]:
        """A shop's jobs, the newest first, a page at a time."""
        check_shop(studio, caller, shop_id or caller.shop)
        jobs = _page(studio, caller.shop, cursor, limit + 1)
        if len(jobs) > limit:
            following = cursor_after(jobs[limit - 1])
            response.headers["X-Next-Cursor"] = following
            query = request.url.include_query_params(cursor=following).query
            response.headers["Link"] = f'<{studio.settings.public_url}/api/jobs?{query}>; rel="next"'
        return [job_shape(job, studio.settings.public_url) for job in jobs[:limit]]

    @router.get("/api/jobs/{job_id}", response_model_exclude_none=True, responses=problems(401, 404, 422))
    def get_job(job_id: str, caller: Caller = known) -> JobShape:
        """One job with its history."""
        return load_job(studio, job_id, caller.shop)

    @router.get(
        "/api/jobs/{job_id}/events", response_class=StreamingResponse, responses=_EVENTS | problems(401, 404, 422)
    )
    async def follow_job(request: Request, job_id: str, caller: Caller = known) -> StreamingResponse:
        """The job each time it changes, as server-sent events, until it has come to its end."""
        first = await run_in_threadpool(load_job, studio, job_id, caller.shop)
        return StreamingResponse(
            _changes(studio, first, request.app.state),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},  # nginx passes it on at once
        )

    return router


def load_job(studio: Studio, job_id: str, shop_id: str) -> JobShape:
    """Return a shop's job as the API shows it.

    Raises:
        Problem: the shop has none of that id.
    """
    with studio.database.transaction() as session:
        job = session.get(Job, job_id)
        if job is None or job.shop_id != shop_id:
            raise Problem(404, "Unknown job", f"There is no job {job_id!r}.", "jobId")
        return job_shape(job, studio.settings.public_url)


def _page(studio: Studio, shop_id: str, cursor: str | None, count: int) -> list[Job]:
    newest = select(Job).where(Job.shop_id == shop_id).order_by(Job.created_at.desc(), Job.id.desc())
    if cursor is not None:
        newest = newest.where(tuple_(Job.created_at, Job.id) < tuple_(*read_cursor(cursor)))
    with studio.database.transaction() as session:
        return list(session.scalars(newest.limit(count)))


def end_streams(app: Any) -> None:
    """Let streams of events come to their end: the server stops."""
    app.state.is_stopping = True


async def _changes(studio: Studio, job: JobShape, server: State) -> AsyncIterator[str]:
    """Yield the job now and each time it has changed."""
    end = asyncio.get_running_loop().time() + studio.settings.stream_s
    yield _event(job)
    while job.status not in _OVER and asyncio.get_running_loop().time() < end and not hasattr(server, "is_stopping"):
        await asyncio.sleep(_LOOK_EVERY_S)
        told, job = job, await run_in_threadpool(load_job, studio, job.job_id, job.shop_id)
        if job != told:
            yield _event(job)


def _event(job: JobShape) -> str:
    """Browsers whose stream has ended ask again after the time told here."""
    return f"retry: {_ASK_AGAIN_MS}\ndata: {json.dumps(job.wire())}\n\n"
