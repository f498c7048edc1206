"""Studio's own workflow under the crash matrix: whatever goes wrong, a job ends `done` and counts once."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback.testing import TestBroker, crash_matrix
from ringback_video.app import create_app
from ringback_video.settings import Settings
from ringback_video.studio import build
from video.stub import TEMPLATE, URL, StubProvider


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_whatever_goes_wrong_a_job_is_done_and_counts_once(video: bytes, tmp_path: Path, closing: ExitStack) -> None:
    numbers = itertools.count()

    def scene(broker: TestBroker) -> Callable[[], Any]:
        folder = tmp_path / str(next(numbers))
        keys = (broker.environment["QSTASH_CURRENT_SIGNING_KEY"], broker.environment["QSTASH_NEXT_SIGNING_KEY"])
        settings = Settings(
            folder,
            f"sqlite:///{folder / 'studio.db'}",
            URL,
            broker.url,
            broker.environment["QSTASH_TOKEN"],
            keys,
            demo=True,
        )
        provider = StubProvider(video)
        studio = replace(build(settings), provider=provider)
        closing.callback(studio.database.close)
        broker.connect(studio.queue)
        app = create_app(studio)
        broker.mount(app, URL)

        async def ask(method: str, path: str, body: object = None) -> Any:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
                return (await http.request(method, path, json=body)).json()

        photos = [f"{URL}/photos/coffee.jpg"]
        order = {"shopId": "demo-shop", "templateId": TEMPLATE.id, "sourceImageUrls": photos}
        job = asyncio.run(ask("POST", "/api/generate", order))

        def end() -> dict[str, Any]:
            seen = asyncio.run(ask("GET", f"/api/jobs/{job['jobId']}"))
            used = asyncio.run(ask("GET", "/api/shops/demo-shop"))["videosUsed"]
            changes = [change["status"] for change in seen["history"]]
            return {"status": seen["status"], "used": used, "started": len(provider.started), "changes": changes}

        return end

    report = crash_matrix(scene)
    assert report.calm.end == {
        "status": "done",
        "used": 1,
        "started": 1,
        "changes": ["queued", "processing", "done"],
    }
    assert len(report.endings) >= 20
