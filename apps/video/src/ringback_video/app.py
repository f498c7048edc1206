"""The web application: API, page, and the workflow's endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline

from ringback.client import AsyncTransport
from ringback.workflow import FlowControl, RunOptions
from ringback.workflow.adapters.starlette import serve
from ringback_video import api, pages, watchdog, webhooks
from ringback_video.bounds import Bounded
from ringback_video.problems import answer_problems
from ringback_video.process_video import ProcessVideo
from ringback_video.publishing import PROCESS_PATH
from ringback_video.settings import from_environment
from ringback_video.studio import Studio, build

LARGEST_DELIVERY = 128 * 1024 * 1024
"""Most bytes of a delivery that the workflow's endpoint reads."""
RUN_OPTIONS = RunOptions(retries=5, retry_delay="min(60000, 1000 * pow(2, retried))")


def create_app(studio: Studio | None = None, run_options: RunOptions = RUN_OPTIONS) -> FastAPI:
    """Return Studio as an ASGI application.

    Args:
        studio: its parts; put together from the environment unless given.
        run_options: how the workflow's runs are delivered.
    """
    parts = studio or build(from_environment())
    settings = parts.settings
    transport = AsyncTransport(parts.broker)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await transport.close()
        parts.database.close()

    app = FastAPIOffline(
        title="Video Studio", version="0.1.0", lifespan=lifespan, redoc_url=None, static_url="/docs/static"
    )
    answer_problems(app)
    app.add_middleware(Bounded, larger={PROCESS_PATH: LARGEST_DELIVERY})
    app.include_router(api.routes(parts))
    app.include_router(webhooks.routes(parts))
    app.include_router(watchdog.routes(parts))
    app.include_router(pages.routes(parts))
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    process = ProcessVideo(parts)
    serve(
        app,
        PROCESS_PATH,
        process.run,
        failure_function=process.on_failure,
        base_url=settings.public_url,
        run_options=replace(run_options, flow_control=FlowControl("video-studio", parallelism=settings.parallelism)),
        transport=transport,
    )
    return app
