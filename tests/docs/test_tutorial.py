"""The tutorial goes from stuck to done as it says: its files are written, its commands run, its test passes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.redis import RedisServer, redis_running

PAGE = (Path(__file__).parents[2] / "docs" / "tutorials" / "from-stuck-to-done.md").read_text()
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
TRANSCRIPT = re.compile(r"<!-- transcript: (\d+) -->\n```console\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r"^ringback (import .*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_running() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tutorial's files are."""
    path = tmp_path_factory.mktemp("tutorial")
    for name, text in FILE.findall(PAGE):
        (path / name).write_text(text)
    return path


def run(words: Sequence[str], folder: Path, redis: RedisServer) -> "subprocess.CompletedProcess[str]":
    """Run a Python module as the reader would."""
    environment = {**os.environ, "REDIS_URL": redis.url}
    line = [sys.executable, "-m", *words]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize("number", [0, 1], ids=["stuck", "turned round"])
def test_the_transcripts_are_true(number: int, folder: Path, redis: RedisServer) -> None:
    status, command, shown = TRANSCRIPT.findall(PAGE)[number]
    done = run(command.split(), folder, redis)
    assert done.returncode == int(status), done.stdout + done.stderr
    lines = iter(_told(done.stdout))
    for wanted in _told(shown.replace("...\n", "")):
        assert wanted in lines, f"{wanted!r} does not come, or not in this order, in:\n{done.stdout}"


def test_the_crash_matrix_of_the_tutorial_passes(folder: Path, redis: RedisServer) -> None:
    done = run(["pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "test_turned.py"], folder, redis)
    assert done.returncode == 0, done.stdout


def test_a_counter_in_place_of_the_set_is_found_out(folder: Path, redis: RedisServer, tmp_path: Path) -> None:
    for name in ("turned.py", "test_turned.py"):
        text = (folder / name).read_text().replace('redis.sadd("videos made", order)', 'redis.incr("videos made")')
        (tmp_path / name).write_text(text.replace('redis.smembers("videos made")', 'redis.get("videos made")'))
    done = run(
        ["pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_turned.py"], tmp_path, redis
    )
    assert done.returncode == 1
    assert "The answer to the delivery that runs step 'save' is lost".lower() in done.stdout.lower()


def test_the_stuck_order_can_be_brought_over(folder: Path, redis: RedisServer) -> None:
    (line,) = IMPORT.findall(PAGE)
    words = ["ringback", *line.replace("$REDIS_URL", redis.url).split()]
    done = run(words, folder, redis)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "videos" in done.stdout


def _told(text: str) -> list[str]:
    """Return the lines without what differs from run to run."""
    return [re.sub(r"\d+(\.\d+)?", "#", line.rstrip()) for line in text.splitlines() if line.strip()]
