"""The guide "From BullMQ to push in an afternoon", run from top to bottom: a queue that is stuck, its code, its commands."""

import os
import re
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from support.bullmq import BullMQ, require_bullmq
from support.endpoint import eventually
from support.process import running
from support.redis import redis_running

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "from-bullmq.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@contextmanager
def served(app: Any, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join()


def test_the_guide_brings_a_stuck_shop_over(monkeypatch: pytest.MonkeyPatch) -> None:
    require_bullmq()
    with redis_running() as redis, running() as broker, socket.create_server(("127.0.0.1", 0)) as listener:
        for name, value in (
            ("REDIS_URL", redis.url),
            ("QSTASH_URL", broker.url),
            ("QSTASH_TOKEN", broker.token),
            ("QSTASH_CURRENT_SIGNING_KEY", broker.current_key),
            ("QSTASH_NEXT_SIGNING_KEY", broker.next_key),
            ("SHOP_URL", f"http://127.0.0.1:{listener.getsockname()[1]}"),
            ("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"),
        ):
            monkeypatch.setenv(name, value)
        stuck(redis.port)
        guide = types.ModuleType("guide")
        for code in blocks("python"):
            exec(compile(code, str(PAGE), "exec"), guide.__dict__)
        with served(guide.__dict__["app"], listener):
            said = [run(command) for command in blocks("sh")]
            rendered = guide.__dict__["rendered"]
            assert eventually(lambda: len(rendered) >= 3)
            guide.__dict__["order_video"]("click-9", {"order": 9})
            guide.__dict__["order_video"]("click-9", {"order": 9})
            eventually(lambda: {"order": 9} in rendered)

    listed, planned, gone, letters, back = said
    assert listed == "videos: 3 wait, 1 delayed, 1 failed, 1 repeat\n"
    assert listed.strip() in PAGE.read_text()
    assert "Nothing was changed" in planned
    assert "5 found = 5 moved + 0 stayed" in gone
    assert "The account balances." in gone
    assert "process-video" in letters
    assert re.search(r"videos: \d are back in BullMQ, \d had run", back)
    orders = [one["order"] for one in rendered]
    assert orders[:3] == sorted(orders[:3])
    assert len(orders) == len(set(orders)), "nothing ran twice"


def stuck(port: int) -> None:
    """Write what our user's Redis holds: jobs nobody has taken."""
    how = {"attempts": 4, "backoff": {"type": "exponential", "delay": 1000}}
    BullMQ("bullmq581", port).do(
        "videos",
        ["add", "render", {"order": 0}, {}],
        ["fail", 1, "the provider said no"],
        *(["add", "render", {"order": number}, how] for number in (1, 2, 3)),
        ["upsert", "nightly", {"pattern": "0 3 * * *", "tz": "UTC"}, {"name": "cleanup", "data": {"order": -1}}],
    )


def run(command: str) -> str:
    done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_has_what_this_test_runs() -> None:
    assert len(blocks("sh")) == 5
    assert len(blocks("python")) == 2
