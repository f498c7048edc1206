"""The HTTP API of Studio."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Header, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, tuple_
from starlette.concurrency import run_in_threadpool

from ringback_video.access import Caller, caller_of, check_shop
from ringback_video.cursors import PAGE_HEADERS, cursor_after, read_cursor
from ringback_video.jobs import Job, Shop
from ringback_video.ledger import cents_today, videos_reserved, videos_used
from ringback_video.ordering import OrderRequest, cancel_job, order_again, place_order
from ringback_video.photos import MOST_BYTES, PhotoRefused, prepare
from ringback_video.problems import Problem
from ringback_video.settings import PHOTOS
from ringback_video.storage import FolderStorage, Storage, StorageUnavailable
from ringback_video.studio import DEMO_SHOP, Studio
from ringback_video.templates import GALLERY, SIZES, Template, in_format

_LOOK_EVERY_S = 0.4
_ASK_AGAIN_MS = 1500
_MOST_JOBS = 100


class GenerateRequest(BaseModel):
    """Body of `POST /api/generate`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "shopId": DEMO_SHOP,
                "templateId": "showcase",
                "sourceImageUrls": ["https://shop.example/photos/cup.jpg"],
                "caption": "New in our shop",
            }
        }
    )

    shop_id: str = Field(alias="shopId", max_length=64)
    template_id: str = Field(alias="templateId", max_length=64)
    source_image_urls: list[str] = Field(alias="sourceImageUrls")
    caption: str | None = None


def routes(studio: Studio) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter()
    known = Depends(caller_of(studio))
    for part in (_orders(studio, known), _jobs(studio, known), _files(studio, known)):
        router.include_router(part)
    return router


def _orders(studio: Studio, known: Any) -> APIRouter:
    router = APIRouter()

    @router.post("/api/generate", status_code=202)
    def generate(
        body: GenerateRequest,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
        caller: Caller = known,
    ) -> dict[str, Any]:
        """Order a video. The same order given twice, or twice with one Idempotency-Key, is one job."""
        check_shop(studio, caller, body.shop_id)
        request = OrderRequest(
            body.shop_id, body.template_id, body.source_image_urls, body.caption, idempotency_key or None
        )
        job = place_order(studio, request)
        return {"jobId": job.id, "status": job.status}

    @router.get("/api/templates")
    def list_templates() -> list[dict[str, Any]]:
        """The templates to choose from; `formats` has the id to order each of them with in another format."""
        return [template_shape(template) for template in GALLERY.values()]

    @router.get("/api/shops/{shop_id}")
    def get_shop(shop_id: str, caller: Caller = known) -> dict[str, Any]:
        """A shop's usage and quota: finished videos, those under way, and what the orders of today (UTC) cost."""
        check_shop(studio, caller, shop_id)
        with studio.database.transaction() as session:
            shop = session.get(Shop, shop_id)
            if shop is None:
                raise Problem(404, "Unknown shop", f"There is no shop {shop_id!r}.", "shopId")
            used, running = videos_used(session, shop_id), videos_reserved(session, shop_id)
            usage = {"shopId": shop_id, "videosUsed": used, "inProgress": running, "quota": shop.quota}
            limit = studio.settings.daily_cents
            return usage | {"centsToday": cents_today(session, shop_id), "centsADay": limit}

    return router


def _jobs(studio: Studio, known: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/api/jobs", responses=PAGE_HEADERS)
    def list_jobs(
        request: Request,
        response: Response,
        shop_id: Annotated[str | None, Query(alias="shopId")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_JOBS)] = 20,
        cursor: Annotated[str | None, Query(description="`X-Next-Cursor` of the page before.")] = None,
        caller: Caller = known,
    ) -> list[dict[str, Any]]:
        """A shop's jobs, the newest first, a page at a time."""
        check_shop(studio, caller, shop_id or caller.shop)
        with studio.database.transaction() as session:
            newest = select(Job).where(Job.shop_id == caller.shop).order_by(Job.created_at.desc(), Job.id.desc())
            if cursor is not None:
                newest = newest.where(tuple_(Job.created_at, Job.id) < tuple_(*read_cursor(cursor)))
            jobs = list(session.scalars(newest.limit(limit + 1)))
            if len(jobs) > limit:
                following = cursor_after(jobs[limit - 1])
                response.headers["X-Next-Cursor"] = following
                query = request.url.include_query_params(cursor=following).query
                response.headers["Link"] = f'<{studio.settings.public_url}/api/jobs?{query}>; rel="next"'
            return [_shape(studio, job) for job in jobs[:limit]]

    @router.get("/api/jobs/{job_id}")
    def get_job(job_id: str, caller: Caller = known) -> dict[str, Any]:
        """One job with its history."""
        return load_job(studio, job_id, caller.shop)

    @router.post("/api/jobs/{job_id}/cancel")
    def cancel(job_id: str, caller: Caller = known) -> dict[str, Any]:
        """Give up a job that is under way; nothing is charged for it."""
        load_job(studio, job_id, caller.shop)
        cancel_job(studio, job_id)
        return load_job(studio, job_id, caller.shop)

    @router.post("/api/jobs/{job_id}/retry", status_code=202)
    def retry(job_id: str, caller: Caller = known) -> dict[str, Any]:
        """Order again what a job that has come to its end was to make."""
        load_job(studio, job_id, caller.shop)
        job = order_again(studio, job_id)
        return {"jobId": job.id, "status": job.status}

    @router.get("/api/jobs/{job_id}/events")
    async def follow_job(job_id: str, caller: Caller = known) -> StreamingResponse:
        """The job each time it changes, as server-sent events, until it has come to its end."""
        first = await run_in_threadpool(load_job, studio, job_id, caller.shop)
        return StreamingResponse(
            _changes(studio, first), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    return router


def _files(studio: Studio, known: Any) -> APIRouter:
    router = APIRouter()

    @router.post("/api/uploads", status_code=201, dependencies=[known])
    def upload(photo: Annotated[UploadFile, File()]) -> dict[str, str]:
        """Keep a photo; the answer has the address to order with."""
        data = photo.file.read(MOST_BYTES + 1)
        try:
            prepared = prepare(data, "The photo")
        except PhotoRefused as error:
            raise Problem(422, "Photo refused", str(error), "photo") from error
        with NamedTemporaryFile(suffix=".jpg") as file:
            file.write(prepared)
            file.flush()
            name = studio.uploads.keep(Path(file.name), ".jpg", "image/jpeg")
        return {"url": f"{studio.settings.public_url}/uploads/{name}"}

    @router.get("/uploads/{name}")
    def get_upload(name: str) -> RedirectResponse:
        """An uploaded photo: leads to a link that is good for ten minutes."""
        return _link(studio.uploads, name, "image/jpeg")

    @router.get("/photos/{name}")
    def get_photo(name: str) -> FileResponse:
        """A sample photo."""
        known = {path.name: path for path in PHOTOS.glob("*.jpg")}
        return _file(known.get(name), "image/jpeg")

    @router.get("/videos/{name}")
    def get_video(name: str) -> RedirectResponse:
        """A finished video: leads to a link that is good for ten minutes."""
        return _link(studio.videos, name, "video/mp4")

    @router.get("/files/{kind}/{name}")
    def get_file(kind: Literal["uploads", "videos"], name: str, until: int, signature: str) -> FileResponse:
        """A file in our own folder, for whoever has a link; ranges are served, so that players can seek."""
        storage = studio.uploads if kind == "uploads" else studio.videos
        if not isinstance(storage, FolderStorage):
            raise Problem(404, "Not found", "There is no such file.")
        return _file(storage.served(name, until, signature), "image/jpeg" if kind == "uploads" else "video/mp4")

    return router


def load_job(studio: Studio, job_id: str, shop_id: str) -> dict[str, Any]:
    """Return a shop's job as the API shows it.

    Raises:
        Problem: the shop has none of that id.
    """
    with studio.database.transaction() as session:
        job = session.get(Job, job_id)
        if job is None or job.shop_id != shop_id:
            raise Problem(404, "Unknown job", f"There is no job {job_id!r}.", "jobId")
        return _shape(studio, job)


def template_shape(template: Template) -> dict[str, Any]:
    """Return a template as the API shows it."""
    return {
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "format": template.format,
        "width": template.width,
        "height": template.height,
        "seconds": template.seconds,
        "caption": template.caption,
        "formats": {name: in_format(template, name).id for name in SIZES},
    }


def _shape(studio: Studio, job: Job) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "jobId": job.id,
        "shopId": job.shop_id,
        "templateId": job.template_id,
        "caption": job.caption,
        "sourceImageUrls": job.source_image_urls,
        "status": job.status,
        "provider": job.provider,
        "step": job.step,
        "progress": job.progress,
        "createdAt": _time(job.created_at),
        "updatedAt": _time(job.updated_at),
        "history": [
            {"at": _time(change.at), "status": change.status, "reason": change.reason} for change in job.history
        ],
    }
    if job.reason:
        shape["reason"] = job.reason
    if job.video:
        shape["videoUrl"] = f"{studio.settings.public_url}/videos/{job.video}"
    return shape


async def _changes(studio: Studio, job: dict[str, Any]) -> AsyncIterator[str]:
    """Yield the job now and each time it has changed."""
    end = asyncio.get_running_loop().time() + studio.settings.stream_s
    yield _event(job)
    while job["status"] not in ("done", "failed", "canceled") and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(_LOOK_EVERY_S)
        told, job = job, await run_in_threadpool(load_job, studio, job["jobId"], job["shopId"])
        if job != told:
            yield _event(job)


def _event(job: dict[str, Any]) -> str:
    """Browsers whose stream has ended ask again after the time told here."""
    return f"retry: {_ASK_AGAIN_MS}\ndata: {json.dumps(job)}\n\n"


def _time(at: Any) -> str:
    return str(at.replace(tzinfo=UTC).isoformat(timespec="milliseconds"))


def _file(path: Any, media_type: str) -> FileResponse:
    if path is None:
        raise Problem(404, "Not found", "There is no such file.")
    return FileResponse(path, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})


def _link(storage: Storage, name: str, media_type: str) -> RedirectResponse:
    try:
        link = storage.link(name, media_type)
    except StorageUnavailable as error:
        raise Problem(503, "Storage not reachable", str(error)) from error
    if link is None:
        raise Problem(404, "Not found", "There is no such file.")
    return RedirectResponse(link, 307, {"Cache-Control": "no-store"})
