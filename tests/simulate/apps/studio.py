"""Video Studio as it is deployed: database and storage outside, videos made by a service elsewhere.

Each step can be held once, before its work or between its work and its answer: the test kills it there.
"""

import asyncio
import os
import pickle
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

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

from ringback_video.app import create_app  # noqa: E402 - it takes `serve` by name
from ringback_video.providers.local import LocalProvider  # noqa: E402
from ringback_video.settings import from_environment  # noqa: E402
from ringback_video.studio import build  # noqa: E402


class Elsewhere(LocalProvider):
    """Asks the service that makes the videos."""

    def _ask(self, what, *arguments):
        answer = httpx.post(f"{os.environ['RENDER_URL']}/{what}", content=pickle.dumps(arguments), timeout=30)
        return pickle.loads(answer.content)

    def start(self, operation_id, order, *rest, **named):
        return self._ask("start", operation_id, order)

    def look_up(self, operation_id):
        return self._ask("look_up", operation_id)

    def poll(self, operation_id):
        return self._ask("poll", operation_id)

    def fetch(self, operation_id):
        return self._ask("fetch", operation_id)


parts = build(from_environment())
parts = replace(parts, provider=Elsewhere(parts.settings.data))
app = HoldAnswers(create_app(parts, RunOptions(retries=20, retry_delay="50")))
