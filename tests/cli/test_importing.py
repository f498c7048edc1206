"""`ringback import` as a person uses it: look, plan, go, look again, go back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringback.cli.commands import ringback as commands
from support.bullmq import BullMQ, require_bullmq
from support.endpoint import Endpoint, listening
from support.process import BrokerProcess, running
from support.redis import RedisServer, redis_running


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    require_bullmq()
    with redis_running() as server:
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with listening() as listener:
        yield listener


def test_look_plan_go_and_back(
    redis_server: RedisServer, broker: BrokerProcess, endpoint: Endpoint, tmp_path: Path
) -> None:
    def ringback(*line: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "ringback", "import", "bullmq", "--redis", redis_server.url, *line]
        environment = {**os.environ, "QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert ringback() == "No BullMQ queue under the prefix 'bull'.\n"
    custom = {"attempts": 3, "backoff": {"type": "my own"}}
    BullMQ("bullmq4", redis_server.port).do(
        "videos", ["add", "render", {"n": 1}, custom], ["add", "render", {"n": 2}, {"delay": 3_600_000}]
    )
    assert ringback() == "videos: 1 wait, 1 delayed\n"
    assert "--to is needed" in ringback("--queue", "videos", status=2)
    assert "no queue 'nothing'" in ringback("--queue", "nothing", "--to", endpoint.url, status=1)

    report = tmp_path / "report.jsonl"
    told = ("--queue", "videos", "--to", f"{endpoint.url}/jobs")
    planned = ringback(*told, "--report", str(report))
    assert "1: backoff 'my own' is code in the worker" in planned
    assert planned.endswith("Nothing was changed. Carry it out with --go.\n")
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(line["job"], line["state"], line["action"]) for line in lines] == [
        ("1", "waiting", "publish"),
        ("2", "delayed", "publish"),
    ]
    assert endpoint.received == []

    gone = ringback(*told, "--go")
    assert "2 found = 2 moved + 0 stayed" in gone
    assert gone.endswith("The account balances.\n")
    endpoint.wait_for(1)
    assert "1 are back in BullMQ, 1 had run" in ringback("--queue", "videos", "--rollback")
    assert ringback() == "videos: 1 delayed\n"


def test_a_broker_that_does_not_answer_is_status_3(redis_server: RedisServer) -> None:
    BullMQ("bullmq6", redis_server.port).do("mails", ["add", "mail", {}, {}])
    line = ["import", "bullmq", "--redis", redis_server.url, "--queue", "mails", "--to", "https://x.example", "--go"]
    nowhere = ["--broker", "http://127.0.0.1:9", "--token", "t"]
    command = [sys.executable, "-m", "ringback", *line, *nowhere]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "run the same command again to go on" in done.stderr


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://shop:secret@db.example/bull", "queues that BullMQ 6 keeps in PostgreSQL are not read"),
        ("shop:secret@db.example", "--redis: expected a URL with redis://, rediss://, unix://"),
    ],
)
def test_what_is_no_redis_is_refused_by_name_and_its_password_not_told(url: str, told: str) -> None:
    refused = CliRunner().invoke(commands, ["import", "bullmq", "--redis", url])
    assert refused.exit_code == 1
    assert told in refused.output
    assert "secret" not in refused.output
