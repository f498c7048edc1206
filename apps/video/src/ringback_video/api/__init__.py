"""The HTTP API of Studio, a file for each subject."""

from fastapi import APIRouter, Depends

from ringback_video.access import caller_of
from ringback_video.api import files, jobs, operator, orders, shops
from ringback_video.studio import Studio


def routes(studio: Studio) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter()
    known = Depends(caller_of(studio))
    for part in (orders, jobs, shops, files):
        router.include_router(part.routes(studio, known))
    router.include_router(operator.routes(studio))
    return router
