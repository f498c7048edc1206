"""Where a page of jobs ends, as a word for whoever asks for the next one."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

from ringback_video.jobs import Job
from ringback_video.problems import Problem

PAGE_HEADERS: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "X-Next-Cursor": {
                "description": "`cursor` of the next page; absent on the last.",
                "schema": {"type": "string"},
            },
            "Link": {"description": 'The next page\'s address, `rel="next"`.', "schema": {"type": "string"}},
        }
    }
}


def cursor_after(job: Job) -> str:
    """Return the cursor of the page that begins after a job."""
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the time and the id of the job that a page begins after.

    Raises:
        Problem: it is not one of ours.
    """
    try:
        at, _, job_id = (
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode().partition(" ")
        )
        return datetime.fromisoformat(at).replace(tzinfo=None), str(UUID(job_id))
    except (ValueError, binascii.Error) as error:
        raise Problem(422, "Unknown cursor", "Give the X-Next-Cursor of the page before.", "cursor") from error
