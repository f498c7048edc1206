"""The route that the broker calls, and the schedule that makes it call."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from qstash import Receiver
from qstash.errors import SignatureError
from starlette.concurrency import run_in_threadpool

from ringback_video.api.described import answer, problems
from ringback_video.problems import Problem
from ringback_video.studio import Studio
from ringback_video.watchdog.look import look

WATCHDOG_PATH = "/api/watchdog"
SCHEDULE_ID = "video-studio-watchdog"
_WHY = "the first delivery is in line for flow-control key 'video-shop-flowers' behind 40 others"
_SEEN = answer({"published": [], "resumed": ["3f0c2f4e"], "waiting": {"77aa01b2": _WHY}, "ended": []})


def watch(studio: Studio) -> None:
    """Make the schedule on the broker, or replace the one that is there."""
    studio.queue.schedule.create(
        destination=f"{studio.settings.public_url}{WATCHDOG_PATH}", cron="* * * * *", schedule_id=SCHEDULE_ID, retries=0
    )


def routes(studio: Studio) -> APIRouter:
    """Return the route that the broker calls."""
    router = APIRouter(tags=["callbacks"])
    current, following = studio.settings.signing_keys
    receiver = Receiver(current, following)

    @router.post(WATCHDOG_PATH, responses=_SEEN | problems(401))
    async def guard(request: Request) -> dict[str, Any]:
        """Look after the jobs; only the broker may ask for it."""
        body = (await request.body()).decode(errors="replace")
        url = f"{studio.settings.public_url}{WATCHDOG_PATH}"
        try:
            receiver.verify(signature=request.headers.get("upstash-signature", ""), body=body, url=url)
        except SignatureError as error:
            raise Problem(401, "Not from the broker", str(error)) from error
        return asdict(await run_in_threadpool(look, studio))

    return router
