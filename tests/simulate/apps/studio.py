"""Video Studio as it is deployed: database and storage outside, videos made by a service elsewhere.

Each step can be held once, before its work or between its work and its answer: the test kills it there.
"""

import asyncio
import os
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path

from ringback.workflow import Middleware, RunOptions
from ringback.workflow.adapters import starlette

HOLDS = Path(os.environ["HOLDS"])
MOMENT = os.environ["HOLD_MOMENT"]
delivery: ContextVar[dict[str, str]] = ContextVar("delivery")


async def hold(step: str, moment: str) -> None:
    """Stand still where a step is for the first time."""
    if moment != MOMENT:
        return
    try:
        (HOLDS / step).touch(exist_ok=False)
    except FileExistsError:
        return
    while not (HOLDS / "release").exists():
        await asyncio.sleep(0.02)


class Hold(Middleware):
    async def before_execution(self, context, step):
        delivery.get()["step"] = step
        await hold(step, "before")


class HoldAnswers:
    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        current = {}
        delivery.set(current)

        async def held(message):
            if message["type"] == "http.response.start" and "step" in current:
                await hold(current["step"], "after")
            await send(message)

        await self._app(scope, receive, held)


starlette.serve = partial(starlette.serve, middlewares=[Hold()])

from elsewhere import Elsewhere  # noqa: E402

from ringback_video.app import create_app  # noqa: E402 - it takes `serve` by name
from ringback_video.settings import from_environment  # noqa: E402
from ringback_video.studio import build  # noqa: E402

parts = build(from_environment())
parts = replace(parts, provider=Elsewhere(parts.settings.data))
app = HoldAnswers(create_app(parts, RunOptions(retries=20, retry_delay="50")))
