"""What `make run` starts: it is found where it was, says when a part of it has ended, and stops when it is told to."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ringback_video.database import Database
from ringback_video.demo import DemoFailed, kept_port, look_after, stay_up
from ringback_video.jobs import Job
from ringback_video.settings import from_environment
from ringback_video.studio import DEMO_SHOP, build
from ringback_video.tables import now
from support.endpoint import eventually
from support.ports import free_port
from support.process import BrokerProcess


def test_studio_is_started_again_where_it_was_unless_somebody_else_is_there(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "port").write_text(f"{port}\n")
    assert kept_port(tmp_path) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        elsewhere = kept_port(tmp_path)
        assert elsewhere not in (0, port)
    assert (tmp_path / "port").read_text() == f"{elsewhere}\n"
    for nonsense in ("", "none", "99999999"):
        (tmp_path / "port").write_text(nonsense)
        assert kept_port(tmp_path) > 0


def test_a_server_that_ends_by_itself_is_named() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], text=True)
    ended.wait(20)
    with pytest.raises(DemoFailed, match="the broker has ended by itself"):
        stay_up({"the broker": ended})


def test_the_broker_is_told_to_look_after_the_films(tmp_path: Path, broker: BrokerProcess) -> None:
    environment = surroundings(tmp_path, "http://127.0.0.1:9") | {
        "QSTASH_URL": broker.url,
        "QSTASH_TOKEN": broker.token,
    }
    look_after(environment)
    headers = {"Authorization": f"Bearer {broker.token}"}
    made = httpx.get(f"{broker.url}/v2/schedules/video-studio-watchdog", headers=headers, timeout=10).json()
    assert made["destination"] == "http://127.0.0.1:9/api/watchdog"
    with pytest.raises(DemoFailed, match="video-studio: "):
        look_after(environment | {"QSTASH_TOKEN": ""})


def surroundings(folder: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "QSTASH_URL": "http://127.0.0.1:9",
        "QSTASH_TOKEN": "token",
        "QSTASH_CURRENT_SIGNING_KEY": "a",
        "QSTASH_NEXT_SIGNING_KEY": "b",
        "STUDIO_DATA": str(folder),
        "STUDIO_URL": url,
    }


def test_a_studio_whose_events_are_followed_stops_at_once_and_without_a_word(tmp_path: Path) -> None:
    port = free_port()
    environment = surroundings(tmp_path, f"http://127.0.0.1:{port}")
    _job_under_way(environment)
    command = [sys.executable, "-m", "ringback_video", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as studio:
        eventually(lambda: _answers(port), 30)
        with httpx.stream("GET", f"http://127.0.0.1:{port}/api/jobs/followed/events", timeout=20) as events:
            lines = events.iter_lines()
            assert next(lines).startswith("retry")
            studio.send_signal(signal.SIGTERM)
            assert list(lines)
        assert studio.stderr is not None
        assert studio.stderr.read() == ""


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/templates", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _job_under_way(environment: dict[str, str]) -> None:
    settings = from_environment(environment)
    build(settings).database.close()
    database = Database(settings.database_url)
    at = now()
    with database.transaction() as session:
        session.add(
            Job(
                id="followed",
                shop_id=DEMO_SHOP,
                template_id="showcase",
                caption="Followed",
                source_image_urls=[],
                status="processing",
                fingerprint="",
                created_at=at,
                updated_at=at,
            )
        )
    database.close()
