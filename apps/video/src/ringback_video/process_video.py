"""The workflow that makes a video: four steps, each a request of its own, tried again on its own."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ringback.workflow import ChargeRefused, Context, Failure, NonRetryableError, ParkedCharge, charge_once
from ringback_video import ledger, making, parking, paying
from ringback_video.jobs import Job, Status, load, move
from ringback_video.probing import NotTheVideo, check_video
from ringback_video.providers.asking import wanted_video
from ringback_video.studio import Studio
from ringback_video.tables import now
from ringback_video.templates import TEMPLATES
from ringback_video.webhooks import news_of

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
        try:
            operation_id = await charge_once(
                context, "generate-video", self.generate_video, look_up=self.find_order, key=job_id, tell=self.park
            )
        except ChargeRefused:  # the job has ended meanwhile
            return {"jobId": job_id, "status": "over"}
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
                message = failure.message or "The video could not be made."
                move(session, job, Status.FAILED, message)
                parking.park_unclear(session, job, message)

    def update_status(self, job_id: str, run_id: str) -> bool:
        """Mark the job as being worked on; False if it has come to its end already."""
        with self._studio.database.transaction() as session:
            job = load(session, job_id, lock=True)
            if job.is_over:
                return False
            move(session, job, Status.PROCESSING, "work has begun")
            job.step, job.progress, job.run_id = "update-status", 2, run_id
            return True

    def generate_video(self, job_id: str) -> str:
        """Order the video; see `paying`."""
        return paying.order_video(self._studio, job_id)

    def find_order(self, job_id: str) -> str | None:
        """Look for what an earlier try has ordered; see `paying`."""
        return paying.find_order(self._studio, job_id)

    def park(self, charge: ParkedCharge) -> None:
        """Have a person decide about an order that may have been taken; see `parking`."""
        parking.park(self._studio, charge.key, charge)

    def poll_completion(self, job_id: str, operation_id: str) -> Seen:
        """Look how far the video is, and what it has cost; one that nobody works on any more is started again."""
        provider = self._studio.provider
        with self._studio.database.transaction() as session:
            canceled = load(session, job_id).status in (Status.CANCELED, Status.FAILED)
        if canceled:
            provider.cancel(operation_id)
            with suppress(NonRetryableError):
                self._note(job_id, "poll-completion", 0, making.look(provider, operation_id).cost)
            return Seen(done=False, progress=0, canceled=True)
        look = making.look(provider, operation_id)
        self._note(job_id, "poll-completion", 10 + look.progress * 85 // 100, look.cost)
        making.judge(provider, operation_id, look)
        return Seen(look.stage == "done", look.progress)

    def save_result(self, job_id: str, operation_id: str) -> str:
        """Keep the finished video; `done` and the shop's usage are written together, once for each job."""
        with self._studio.database.transaction() as session:
            template = TEMPLATES[load(session, job_id).template_id]
        with TemporaryDirectory(prefix="studio-") as folder:
            file = Path(folder) / "video.mp4"
            making.fetch(self._studio.provider, operation_id, file)
            try:
                check_video(file, wanted_video(self._studio.provider.capabilities, template))
            except NotTheVideo as error:
                raise NonRetryableError(str(error)) from error
            name = self._studio.videos.keep(file, ".mp4", "video/mp4", job_id)
        with self._studio.database.transaction() as session:
            job = load(session, job_id, lock=True)
            if move(session, job, Status.DONE, "the video is finished"):
                job.step, job.progress, job.video = "save-result", 100, name
            return f"{self._studio.settings.public_url}/videos/{name}"

    def _note(self, job_id: str, step: str, progress: int, cost: float | None) -> None:
        """What the provider has charged counts also when the job has ended: it takes the place of the estimate."""
        unit = self._studio.settings.unit_cents
        with self._studio.database.transaction() as session:
            job = load(session, job_id, lock=True)
            if cost is not None and unit:
                job.cents = round(cost * unit)
                ledger.correct(session, job_id, job.cents)
            if not job.is_over:
                job.step, job.progress, job.updated_at = step, max(job.progress, progress), now()
                job.waiting_for = ""
