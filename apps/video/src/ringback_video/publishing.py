"""Giving jobs to the broker: at once, and again for those where that did not work (the outbox)."""

import logging

from ringback_video.jobs import Job
from ringback_video.studio import Studio
from ringback_video.tables import now

PROCESS_PATH = "/api/process-video"
_log = logging.getLogger("ringback_video.publishing")


def publish(studio: Studio, job_id: str) -> bool:
    """Give a job to the broker and note that it has it; False if it could not be reached.

    Twice does no harm: the deduplication id is the job's, and the workflow looks at the job before it does anything.
    """
    with studio.database.transaction() as session:
        job = session.get_one(Job, job_id)
        shop_id = job.shop_id
    try:
        studio.queue.message.publish_json(
            url=f"{studio.settings.public_url}{PROCESS_PATH}",
            body={"jobId": job_id},
            deduplication_id=f"job-{job_id}",
            retries=5,
            retry_delay="min(60000, 1000 * pow(2, retried))",
            label="video-job",
            flow_control={
                "key": f"video-shop-{shop_id}",
                "rate": studio.settings.starts_a_minute,
                "period": "1m",
            },
        )
    except Exception as error:  # noqa: BLE001 - any failure of the client means: the broker does not have it for certain
        _log.warning("job %s waits for the broker: %s", job_id, type(error).__name__)
        return False
    with studio.database.transaction() as session:
        job = session.get_one(Job, job_id, with_for_update=True)
        job.published_at = job.published_at or now()
    return True
