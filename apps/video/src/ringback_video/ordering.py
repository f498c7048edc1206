"""Taking an order: checked, written down once, and given to the broker."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from ringback_video.jobs import Change, Job, Shop, Status, move
from ringback_video.ledger import cents_today, reserve, videos_reserved, videos_used
from ringback_video.photos import MOST_PHOTOS
from ringback_video.problems import Problem
from ringback_video.publishing import publish
from ringback_video.rendering.lettering import cannot_draw
from ringback_video.settings import Settings
from ringback_video.studio import Studio
from ringback_video.tables import now
from ringback_video.templates import TEMPLATES

LONGEST_CAPTION = 80
_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a shop asks for."""

    shop_id: str
    template_id: str
    source_image_urls: list[str]
    caption: str | None = None
    idempotency_key: str | None = None


def place_order(studio: Studio, request: OrderRequest) -> Job:
    """Write down a job and publish it; the same order given twice is one job.

    Raises:
        Problem: what is wrong with the order.
    """
    _check(request)
    if studio.provider.capabilities.captions:
        _check_letters(request.caption or "")
    with studio.database.transaction() as session:
        job, is_new = _write_down(session, request, studio)
    if is_new:
        publish(studio, job.id)  # where the broker cannot be reached the job waits, and the watchdog publishes it
    return job


def cancel_job(studio: Studio, job_id: str) -> None:
    """Cancel a job; the workflow finds it canceled at its next step and ends, the provider stops working at once.

    Raises:
        Problem: there is no such job, or it has come to its end.
    """
    with studio.database.transaction() as session:
        job = session.get(Job, job_id, with_for_update=True)
        if job is None:
            raise Problem(404, "Unknown job", f"There is no job {job_id!r}.", "jobId")
        if not move(session, job, Status.CANCELED, "Canceled by the shop."):
            raise Problem(409, "Too late", f"The job is {job.status} already.", "jobId")
        operation_id = job.operation_id
    if operation_id is not None:
        studio.provider.cancel(operation_id)


def order_again(studio: Studio, job_id: str) -> Job:
    """Place the order of a job once more, as a job of its own.

    Raises:
        Problem: there is no such job, it is still under way, or the order cannot be placed.
    """
    with studio.database.transaction() as session:
        job = session.get(Job, job_id)
        if job is None:
            raise Problem(404, "Unknown job", f"There is no job {job_id!r}.", "jobId")
        if not job.is_over:
            raise Problem(409, "Too early", f"The job is still {job.status}.", "jobId")
        request = OrderRequest(job.shop_id, job.template_id, list(job.source_image_urls), job.caption)
    return place_order(studio, request)


def _check(request: OrderRequest) -> None:
    if request.template_id not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise Problem(
            422,
            "Unknown template",
            f"There is no template {request.template_id!r}; choose one of: {known}.",
            "templateId",
        )
    count = len(request.source_image_urls)
    if not 1 <= count <= MOST_PHOTOS:
        raise Problem(422, "Wrong number of photos", f"Give 1 to {MOST_PHOTOS} photos, not {count}.", "sourceImageUrls")
    for number, url in enumerate(request.source_image_urls):
        parts = urlsplit(url) if len(url) <= _LONGEST_URL else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Problem(
                422, "Not a photo address", "Give an absolute http or https address.", f"sourceImageUrls[{number}]"
            )
    if request.caption is not None and len(request.caption) > LONGEST_CAPTION:
        raise Problem(422, "Caption too long", f"Use at most {LONGEST_CAPTION} characters.", "caption")


def _check_letters(caption: str) -> None:
    """An empty box in the picture is worse than a question now."""
    unknown = cannot_draw(caption)
    if unknown:
        detail = f"The font of our films has no letters for {unknown!r}; use Latin, Greek or Cyrillic ones."
        raise Problem(422, "Caption cannot be drawn", detail, "caption")


def _write_down(session: Session, request: OrderRequest, studio: Studio) -> tuple[Job, bool]:
    shop = session.get(Shop, request.shop_id, with_for_update=True)
    if shop is None:
        raise Problem(404, "Unknown shop", f"There is no shop {request.shop_id!r}.", "shopId")
    known = _same_order(session, request)
    if known is not None:
        return known, False
    if videos_used(session, shop.id) + videos_reserved(session, shop.id) >= shop.quota:
        raise Problem(403, "Quota used up", f"The shop has used its {shop.quota} videos.", "shopId")
    _check_budget(session, shop, studio.settings)
    at = now()
    job = Job(
        id=str(uuid.uuid4()),
        shop_id=shop.id,
        template_id=request.template_id,
        caption=(request.caption or "").strip() or TEMPLATES[request.template_id].caption,
        source_image_urls=request.source_image_urls,
        status=Status.QUEUED,
        step="",
        progress=0,
        reason="",
        idempotency_key=request.idempotency_key,
        fingerprint=_fingerprint(request),
        created_at=at,
        updated_at=at,
        provider=studio.provider.capabilities.name,
        history=[Change(at=at, status=Status.QUEUED, reason="ordered")],
    )
    session.add(job)
    session.flush()
    reserve(session, shop.id, job.id, studio.settings.video_cents)
    return job, True


def _check_budget(session: Session, shop: Shop, settings: Settings) -> None:
    """The shop's row is locked: two orders at once cannot both take what is left for one."""
    if settings.daily_cents is None:
        return
    left = settings.daily_cents - cents_today(session, shop.id)
    if settings.video_cents > left:
        detail = f"A video costs about {settings.video_cents} cents, and {max(0, left)} are left today. Order again tomorrow."
        raise Problem(403, "Budget of the day used up", detail, "shopId")


def _same_order(session: Session, request: OrderRequest) -> Job | None:
    """The same key is the same order for ever; without a key, an identical one is while the first is under way."""
    orders = select(Job).where(Job.shop_id == request.shop_id)
    if request.idempotency_key is not None:
        job = session.scalar(orders.where(Job.idempotency_key == request.idempotency_key))
        if job is not None and job.fingerprint != _fingerprint(request):
            raise Problem(
                422, "Key used before", "This Idempotency-Key was used for a different order.", "Idempotency-Key"
            )
        return job
    open_states = (Status.QUEUED, Status.PROCESSING)
    same = orders.where(Job.fingerprint == _fingerprint(request), Job.status.in_(open_states))
    return session.scalar(same.order_by(Job.created_at.desc()).limit(1))


def _fingerprint(request: OrderRequest) -> str:
    told: list[Any] = [request.shop_id, request.template_id, request.source_image_urls, request.caption or ""]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
