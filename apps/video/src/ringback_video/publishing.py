"""Giving jobs to the broker: at once, and again for those where that did not work (the outbox)."""

import logging

from ringback_video.jobs import Job
from ringback_video.studio import Studio
from ringback_video.tables import now

PROCESS_PATH = "/api/process-video"
_AWAY = "Our queue does not answer just now; your film is begun as soon as it does"
_log = logging.getLogger("ringback_video.publishing")


def label_of(job_id: str) -> str:
    """Return the label that everything of a job carries at the broker: its message, its runs, its dead letters."""
    return f"job-{job_id}"


def publish(studio: Studio, job_id: str) -> bool:
    """Give a job to the broker and note that it has it; False if it could not be reached.

    Twice does no harm: the deduplication id is the job's, with the number of its revival, and the workflow looks at the job
    before it does anything.
    """
    with studio.database.transaction() as session:
        job = session.get_one(Job, job_id)
        shop_id, revived = job.shop_id, job.revived
    labels = f"video-job,{label_of(job_id)}"
    try:
        sent = studio.queue.message.publish_json(
            url=f"{studio.settings.public_url}{PROCESS_PATH}",
            body={"jobId": job_id},
            deduplication_id=f"job-{job_id}" + (f"-{revived}" if revived else ""),
            retries=5,
            retry_delay="min(60000, 1000 * pow(2, retried))",
            label=labels,
            headers={"Upstash-Label": labels},  # passed on, so that the run has them too
            flow_control={
                "key": f"video-shop-{shop_id}",
                "rate": studio.settings.starts_a_minute,
                "period": "1m",
            },
        )
    except Exception as error:  # noqa: BLE001 - any failure of the client means: the broker does not have it for certain
        _log.warning("job %s waits for the broker: %s", job_id, type(error).__name__)
        with studio.database.transaction() as session:
            job = session.get_one(Job, job_id, with_for_update=True)
            if job.published_at is None and not job.is_over:
                job.waiting_for = _AWAY
        return False
    with studio.database.transaction() as session:
        job = session.get_one(Job, job_id, with_for_update=True)
        if job.published_at is None:
            job.published_at = job.updated_at = now()
        if job.waiting_for == _AWAY:
            job.waiting_for = ""
        job.message_id = None if isinstance(sent, list) else sent.message_id
    return True
