"""The one step that costs money: what is about to be sent is written down first, and sent once."""

from ringback.workflow import ChargeRefused, NonRetryableError, RetryAfterError, Unclear
from ringback_video import making
from ringback_video.jobs import load
from ringback_video.parking import decided_by_itself
from ringback_video.photos import PhotoRefused, PhotoUnreachable, fetch, prepare
from ringback_video.providers.contract import Unreachable
from ringback_video.rendering.operation import Order
from ringback_video.settings import PHOTOS
from ringback_video.studio import Studio
from ringback_video.tables import now
from ringback_video.webhooks import WEBHOOK_PATH


def order_video(studio: Studio, job_id: str) -> str:
    """Fetch the photos and order a job's video; return the operation's id.

    Raises:
        ChargeRefused: the job has ended meanwhile; nothing was ordered.
        NonRetryableError: a photo or the order is refused.
        Unreachable, RetryAfterError: nothing was accepted; trying again is safe.
        Ambiguous: whether it was accepted is not known; `find_order` is asked before anything is sent again.
    """
    provider = studio.provider
    with studio.database.transaction() as session:
        job = load(session, job_id)
        order, urls = Order(job.template_id, job.caption), list(job.source_image_urls)
    photos = [_photo(studio, number, url) for number, url in enumerate(urls, 1)]
    callback = f"{studio.settings.public_url}{WEBHOOK_PATH}/{job_id}" if provider.capabilities.webhooks else None
    _claim(studio, job_id)
    try:
        operation_id = making.start(provider, job_id, order, photos, callback)
    except (NonRetryableError, RetryAfterError, Unreachable):  # nothing was accepted
        with studio.database.transaction() as session:
            load(session, job_id, lock=True).sent_at = None
        raise
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        job.operation_id = operation_id
        decided_by_itself(session, job)
        if not job.is_over:
            job.step, job.progress, job.updated_at = "generate-video", max(job.progress, 8), now()
    return operation_id


def find_order(studio: Studio, job_id: str) -> str | None:
    """Return what an earlier try has ordered; None if it has certainly ordered nothing.

    Raises:
        Unclear: nobody can tell: a person decides.
    """
    with studio.database.transaction() as session:
        job = load(session, job_id)
        operation_id, was_sent = job.operation_id, job.sent_at is not None
    if operation_id is not None or not was_sent:
        return operation_id
    if not studio.provider.capabilities.look_up:
        raise Unclear("The order was sent, and its answer was lost.")
    return studio.provider.look_up(job_id)


def _claim(studio: Studio, job_id: str) -> None:
    """Write down that the order is about to be sent; two runs of one job cannot both do it."""
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        if job.is_over:
            raise ChargeRefused(f"The job is {job.status}.")
        if job.sent_at is not None and not studio.provider.capabilities.look_up:
            raise RuntimeError("The video is being ordered at this moment.")
        job.sent_at = now()


def _photo(studio: Studio, number: int, url: str) -> bytes:
    """Our own photos are read from disk: on a platform with one instance at a time we could not call ourselves."""
    try:
        own = _own_file(studio, url)
        data = own if own is not None else fetch(url, allow_private=studio.settings.private_sources)
        return prepare(data, f"Photo {number}")
    except PhotoRefused as error:
        raise NonRetryableError(str(error)) from error
    except PhotoUnreachable as error:
        raise RuntimeError(str(error)) from error


def _own_file(studio: Studio, url: str) -> bytes | None:
    base = studio.settings.public_url
    if url.startswith(f"{base}/photos/"):
        path = PHOTOS / url.rpartition("/")[2]
        return path.read_bytes() if path.is_file() else None
    if url.startswith(f"{base}/uploads/"):
        return studio.uploads.load(url.rpartition("/")[2])
    return None
