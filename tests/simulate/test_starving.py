"""The story this project began with: a queue that is pulled from, on a platform where nobody pulls."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bullmq import Queue

from ringback.simulate.pytest import Simulate
from support.endpoint import eventually
from support.redis import RedisServer, redis_running
from video.conftest import free_port

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "simulator.md"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_running() as server:
        yield server


def counts(redis: RedisServer) -> dict[str, int]:
    """Return how many jobs are in each state."""

    async def ask() -> dict[str, int]:
        queue = Queue("videos", {"connection": redis.url})
        try:
            return dict(await queue.getJobCounts("wait", "active", "completed"))
        finally:
            await queue.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("name", ["vercel", "lambda", "cloudrun"])
def test_jobs_of_a_worker_inside_the_application_stay_waiting_and_the_report_says_why(
    simulate: Simulate, apps: Path, redis: RedisServer, name: str
) -> None:
    simulation = simulate(name, "bullmq_shop:app", folder=apps, environment={"REDIS_URL": redis.url})
    before = counts(redis)
    for order in ("shoes", "hats", "gloves"):
        assert httpx.post(f"{simulation.url}/orders/{order}").status_code == 202
    eventually(lambda: simulation.snapshot()["instances"][0]["aliveSeconds"] > 1)
    now = counts(redis)
    assert now["completed"] == before["completed"]
    assert now["wait"] + now["active"] == before["wait"] + before["active"] + 3
    [starved] = [one for one in simulation.findings if one.rule == "starved-loop"]
    assert starved.what.startswith("a worker of bullmq starved: an instance without a request is frozen")
    assert "The jobs in its queue stay waiting" in starved.what
    assert "publish the job to a queue that calls this application back" in starved.remedy
    assert simulation.report().exit_status == 20
    assert _numberless(starved.what) in _numberless(PAGE.read_text())


def test_on_a_server_that_never_sleeps_the_same_jobs_are_done(apps: Path, redis: RedisServer) -> None:
    port = free_port()
    environment = {**os.environ, "REDIS_URL": redis.url, "VIDEO_SECONDS": "0.1"}
    before = counts(redis)["completed"]
    line = [sys.executable, "-m", "uvicorn", "bullmq_shop:app", "--port", str(port), "--log-level", "error"]
    with subprocess.Popen(line, cwd=apps, env=environment) as server:
        eventually(lambda: _answers(f"http://127.0.0.1:{port}/orders/scarf"))
        eventually(lambda: counts(redis)["completed"] > before)
        server.terminate()


def _numberless(text: str) -> str:
    return " ".join(re.sub(r"\d+(\.\d+)?", "#", text).split())


def _answers(url: str) -> bool:
    try:
        return httpx.post(url).status_code == 202
    except httpx.HTTPError:
        return False
