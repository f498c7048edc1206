"""Ordering a video, giving it up, ordering it again."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from ringback_video.access import Caller, check_shop
from ringback_video.api.described import problems
from ringback_video.api.jobs import load_job
from ringback_video.api.shapes import Accepted, GenerateRequest, JobShape
from ringback_video.ordering import OrderRequest, cancel_job, order_again, place_order
from ringback_video.studio import Studio


def routes(studio: Studio, known: Any) -> APIRouter:
    """Return the routes; `known` finds out who asks."""
    router = APIRouter(tags=["orders"])

    @router.post("/api/generate", status_code=202, responses=problems(401, 403, 404, 422))
    def generate(
        body: GenerateRequest,
        idempotency_key: Annotated[str | None, Header(max_length=255, examples=["click-7781"])] = None,
        caller: Caller = known,
    ) -> Accepted:
        """Order a video. The same order given twice, or twice with one Idempotency-Key, is one job."""
        shop_id = body.shop_id or caller.shop
        check_shop(studio, caller, shop_id)
        job = place_order(
            studio,
            OrderRequest(shop_id, body.template_id, body.source_image_urls, body.caption, idempotency_key or None),
        )
        return Accepted(job_id=job.id, status=job.status)

    @router.post("/api/jobs/{job_id}/cancel", response_model_exclude_none=True, responses=problems(401, 404, 409, 422))
    def cancel(job_id: str, caller: Caller = known) -> JobShape:
        """Give up a job that is under way; it does not count against the quota."""
        load_job(studio, job_id, caller.shop)
        cancel_job(studio, job_id)
        return load_job(studio, job_id, caller.shop)

    @router.post("/api/jobs/{job_id}/retry", status_code=202, responses=problems(401, 403, 404, 409, 422))
    def retry(job_id: str, caller: Caller = known) -> Accepted:
        """Order again what a job that has come to its end was to make."""
        load_job(studio, job_id, caller.shop)
        job = order_again(studio, job_id)
        return Accepted(job_id=job.id, status=job.status)

    return router
