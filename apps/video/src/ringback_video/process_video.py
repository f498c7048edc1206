"""The workflow that makes a video: four steps, each a request of its own, tried again on its own."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ringback.workflow import Context, Failure, NonRetryableError, RetryAfterError, charge_once
from ringback_video import making
from ringback_video.jobs import Job, Status, move
from ringback_video.photos import PhotoRefused, PhotoUnreachable, fetch, prepare
from ringback_video.probing import NotTheVideo, check_video
from ringback_video.providers.asking import wanted_video
from ringback_video.providers.contract import Unreachable
from ringback_video.rendering.operation import Order
from ringback_video.settings import PHOTOS
from ringback_video.studio import Studio
from ringback_video.tables import now
from ringback_video.templates import TEMPLATES
from ringback_video.webhooks import WEBHOOK_PATH, news_of

_PAUSES = (1, 1, 2, 2, 3, 5, 8, 13, 21, 30)
_LOOKS = 280
"""With pauses that grow to 30 s, this is a little over two hours."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What the API publishes."""

    jobId: str  # noqa: N815 - the name on the wire


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the provider found."""

    done: bool
    progress: int
    canceled: bool = False


class ProcessVideo:
    """The workflow and its failure function.

    Args:
        studio: the parts it works with.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def run(self, context: Context[Payload]) -> dict[str, str]:
        """Make the video of one job."""
        job_id = context.request_payload.jobId
        if not await context.run("update-status", self.update_status, job_id, context.workflow_run_id):
            return {"jobId": job_id, "status": "over"}
        operation_id = await charge_once(
            context, "generate-video", self.generate_video, look_up=self.find_order, key=job_id
        )
        if not await self._wait_for(context, job_id, operation_id):
            return {"jobId": job_id, "status": "over"}
        video_url = await context.run("save-result", self.save_result, job_id, operation_id)
        return {"jobId": job_id, "videoUrl": video_url}

    async def _wait_for(self, context: Context[Payload], job_id: str, operation_id: str) -> bool:
        """Look, sleep, look again: no request is held open while the video is made. False if the job was canceled."""
        for look in range(_LOOKS):
            seen = await context.run("poll-completion", self.poll_completion, job_id, operation_id)
            if seen.done or seen.canceled:
                return seen.done
            pause = _PAUSES[min(look, len(_PAUSES) - 1)]
            if self._studio.provider.capabilities.webhooks:
                await context.wait_for_event("wait for the video", news_of(job_id), timeout=pause)
            else:
                await context.sleep("wait for the video", pause)
        raise NonRetryableError("The video was not finished within two hours.")

    def on_failure(self, failure: Failure[Payload]) -> None:
        """End the job with a reason that a person can read."""
        with self._studio.database.transaction() as session:
            payload = failure.request_payload
            job = session.get(Job, payload.jobId, with_for_update=True) if payload else None
            if job is not None:
                move(session, job, Status.FAILED, failure.message or "The video could not be made.")

    def update_status(self, job_id: str, run_id: str) -> bool:
        """Mark the job as being worked on; False if it has come to its end already."""
        with self._studio.database.transaction() as session:
            job = self._job(session.get(Job, job_id, with_for_update=True), job_id)
            if job.is_over:
                return False
            move(session, job, Status.PROCESSING, "work has begun")
            job.step, job.progress, job.run_id = "update-status", 2, run_id
            return True

    def generate_video(self, job_id: str) -> str:
        """Fetch the photos and order the video. What costs money is noted before it is sent, and sent once."""
        provider = self._studio.provider
        with self._studio.database.transaction() as session:
            job = self._job(session.get(Job, job_id), job_id)
            order, urls = Order(job.template_id, job.caption), list(job.source_image_urls)
        photos = [self._photo(number, url) for number, url in enumerate(urls, 1)]
        callback = f"{self._studio.settings.public_url}{WEBHOOK_PATH}/{job_id}"
        self._sent(job_id, now())
        try:
            operation_id = making.start(
                provider, job_id, order, photos, callback if provider.capabilities.webhooks else None
            )
        except (RetryAfterError, Unreachable):  # nothing was accepted
            self._sent(job_id, None)
            raise
        self._note(job_id, "generate-video", 8, operation_id)
        return operation_id

    def find_order(self, job_id: str) -> str | None:
        """Return what an earlier try has ordered; None if it has certainly ordered nothing.

        Raises:
            NonRetryableError: nobody can tell, and it is not ordered twice.
        """
        with self._studio.database.transaction() as session:
            job = self._job(session.get(Job, job_id), job_id)
            operation_id, was_sent = job.operation_id, job.sent_at is not None
        if operation_id is not None or not was_sent:
            return operation_id
        provider = self._studio.provider
        if not provider.capabilities.look_up:
            raise NonRetryableError(
                "The video may have been ordered already. To pay nothing twice it was not ordered again."
            )
        return provider.look_up(job_id)

    def poll_completion(self, job_id: str, operation_id: str) -> Seen:
        """Look how far the rendering is; one that nobody works on any more is started again."""
        with self._studio.database.transaction() as session:
            canceled = self._job(session.get(Job, job_id), job_id).status == Status.CANCELED
        if canceled:
            self._studio.provider.cancel(operation_id)
            return Seen(done=False, progress=0, canceled=True)
        look = making.look(self._studio.provider, operation_id)
        self._note(job_id, "poll-completion", 10 + look.progress * 85 // 100, cost=look.cost)
        return Seen(look.stage == "done", look.progress)

    def save_result(self, job_id: str, operation_id: str) -> str:
        """Keep the finished video; `done` and the shop's usage are written together, once for each job."""
        with self._studio.database.transaction() as session:
            template = TEMPLATES[self._job(session.get(Job, job_id), job_id).template_id]
        with TemporaryDirectory(prefix="studio-") as folder:
            file = Path(folder) / "video.mp4"
            file.write_bytes(making.fetch(self._studio.provider, operation_id))
            try:
                check_video(file, wanted_video(self._studio.provider.capabilities, template))
            except NotTheVideo as error:
                raise NonRetryableError(str(error)) from error
            name = self._studio.videos.keep(file, ".mp4", "video/mp4", job_id)
        with self._studio.database.transaction() as session:
            job = self._job(session.get(Job, job_id, with_for_update=True), job_id)
            if move(session, job, Status.DONE, "the video is finished"):
                job.step, job.progress, job.video = "save-result", 100, name
            return f"{self._studio.settings.public_url}/videos/{name}"

    def _photo(self, number: int, url: str) -> bytes:
        """Our own photos are read from disk: on a platform with one instance at a time we could not call ourselves."""
        own = self._own_file(url)
        try:
            data = own if own is not None else fetch(url, allow_private=self._studio.settings.private_sources)
            return prepare(data, f"Photo {number}")
        except PhotoRefused as error:
            raise NonRetryableError(str(error)) from error
        except PhotoUnreachable as error:
            raise RuntimeError(str(error)) from error

    def _own_file(self, url: str) -> bytes | None:
        base = self._studio.settings.public_url
        if url.startswith(f"{base}/photos/"):
            path = PHOTOS / url.rpartition("/")[2]
            return path.read_bytes() if path.is_file() else None
        if url.startswith(f"{base}/uploads/"):
            return self._studio.uploads.load(url.rpartition("/")[2])
        return None

    def _sent(self, job_id: str, at: datetime | None) -> None:
        with self._studio.database.transaction() as session:
            self._job(session.get(Job, job_id, with_for_update=True), job_id).sent_at = at

    def _note(
        self, job_id: str, step: str, progress: int, operation_id: str | None = None, cost: float | None = None
    ) -> None:
        with self._studio.database.transaction() as session:
            job = session.get(Job, job_id, with_for_update=True)
            if job is not None and not job.is_over:
                job.step, job.progress, job.updated_at = step, max(job.progress, progress), now()
                job.operation_id = operation_id or job.operation_id
                if cost is not None and self._studio.settings.unit_cents:
                    job.cents = round(cost * self._studio.settings.unit_cents)

    @staticmethod
    def _job(job: Job | None, job_id: str) -> Job:
        if job is None:
            raise NonRetryableError(f"There is no job {job_id}.")
        return job
