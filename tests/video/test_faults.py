"""Providers that stumble, deliveries that come twice, processes that are killed: the job ends, and counts once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import select

from ringback_video.jobs import Job, Status
from ringback_video.ledger import Entry
from ringback_video.process_video import ProcessVideo
from ringback_video.providers.contract import Capabilities, Look, Provider
from ringback_video.rendering.operation import Operation, Order
from ringback_video.settings import PHOTOS
from support.endpoint import eventually
from support.process import BrokerProcess, start
from video.conftest import World, free_port, world


class Stumbling:
    """A provider that fails the first times it is asked to start."""

    def __init__(self, inner: Provider, failures: int) -> None:
        self.inner, self.failures = inner, failures
        self.starts = self.polls = 0

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def start(self, operation_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        self.starts += 1
        if self.starts <= self.failures:
            raise ConnectionError("the provider is asleep")
        return self.inner.start(operation_id, order, photos, callback_url)

    def look_up(self, operation_id: str) -> str | None:
        return self.inner.look_up(operation_id)

    def poll(self, operation_id: str) -> Look:
        self.polls += 1
        return self.inner.poll(operation_id)

    def restart(self, operation_id: str) -> None:
        self.inner.restart(operation_id)

    def fetch(self, operation_id: str, target: Path) -> None:
        self.inner.fetch(operation_id, target)

    def cancel(self, operation_id: str) -> None:
        self.inner.cancel(operation_id)


def test_a_provider_that_fails_twice_only_has_that_step_tried_again(tmp_path: Path, broker: BrokerProcess) -> None:
    stumbling: list[Stumbling] = []

    def provider(inner: Provider) -> Provider:
        stumbling.append(Stumbling(inner, 2))
        return stumbling[0]

    with world(tmp_path, broker, provider) as studio:
        job = studio.finished(studio.order(studio.sample("coffee")).json()["jobId"])
        assert job["status"] == "done"
        assert stumbling[0].starts == 3
        assert [change["status"] for change in job["history"]].count("processing") == 1  # type: ignore[attr-defined]


def test_a_step_that_fails_for_ever_ends_the_job_and_leaves_a_dead_letter(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    with world(tmp_path, broker, lambda inner: Stumbling(inner, 10_000)) as studio:
        job_id = studio.order(studio.sample("coffee")).json()["jobId"]
        job = studio.finished(job_id)
        assert (job["status"], job["reason"], studio.used()) == ("failed", "the provider is asleep", 0)
        headers = {"Authorization": f"Bearer {broker.token}"}
        letters = httpx.get(f"{broker.url}/v2/workflows/dlq", headers=headers).json()["messages"]
        mine = [letter for letter in letters if letter["workflowUrl"].startswith(studio.url)]
        assert "the provider is asleep" in mine[0]["responseBody"]
        assert mine[0]["responseStatus"] == 500


def test_saving_the_result_twice_counts_once(studio: World) -> None:
    job = studio.finished(studio.order(studio.sample("dahlia"), caption="twice").json()["jobId"])
    before = studio.used()
    workflow = ProcessVideo(studio.studio)
    assert workflow.save_result(str(job["jobId"]), str(job["jobId"])) == job["videoUrl"]
    assert workflow.update_status(str(job["jobId"]), "wfr_late") is False
    assert studio.used() == before
    with studio.studio.database.transaction() as session:
        entries = session.scalars(select(Entry).where(Entry.job_id == job["jobId"])).all()
        assert {entry.kind: (entry.state, entry.settled) for entry in entries} == {
            "video": ("settled", 1),
            "cost": ("settled", 0),
        }
        assert session.get(Job, job["jobId"]).status == Status.DONE  # type: ignore[union-attr]


def test_a_renderer_that_was_killed_is_noticed_and_started_again(studio: World) -> None:
    provider = studio.studio.provider
    photo = (PHOTOS / "coffee.jpg").read_bytes()
    provider.start("killed-op", Order("runway", "again"), [photo])
    operation = Operation(studio.studio.settings.data / "operations" / "killed-op")
    said = eventually(operation.said)
    os.kill(said.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    eventually(lambda: provider.poll("killed-op").stage == "lost")
    provider.restart("killed-op")
    eventually(lambda: provider.poll("killed-op").stage == "done", 60)


def test_starting_twice_begins_one_rendering(studio: World) -> None:
    provider = studio.studio.provider
    photo = (PHOTOS / "coffee.jpg").read_bytes()
    provider.start("once-op", Order("runway", "once"), [photo])
    first = Operation(studio.studio.settings.data / "operations" / "once-op").said()
    provider.start("once-op", Order("runway", "once"), [photo])
    again = Operation(studio.studio.settings.data / "operations" / "once-op").said()
    assert first is not None
    assert again is not None
    assert first.pid == again.pid
    provider.cancel("once-op")
    assert provider.poll("once-op").stage == "failed"


@contextmanager
def studio_process(folder: Path, broker: BrokerProcess, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "QSTASH_URL": broker.url,
        "QSTASH_TOKEN": broker.token,
        "QSTASH_CURRENT_SIGNING_KEY": broker.current_key,
        "QSTASH_NEXT_SIGNING_KEY": broker.next_key,
        "STUDIO_DATA": str(folder),
        "STUDIO_URL": f"http://127.0.0.1:{port}",
    }
    command = [sys.executable, "-m", "ringback_video", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_killing_broker_and_studio_in_the_middle_loses_no_job(tmp_path: Path) -> None:
    """Both are taken away by SIGKILL while the video is rendered, and started again on the same files."""
    port, database = free_port(), tmp_path / "ringback.db"
    url = f"http://127.0.0.1:{port}"
    broker = start("--db", str(database))
    broker_port = broker.url.rpartition(":")[2]
    with studio_process(tmp_path, broker, port) as studio:
        eventually(lambda: _status(f"{url}/api/templates") == 200)
        body = {"shopId": "demo-shop", "templateId": "runway", "sourceImageUrls": [f"{url}/photos/coffee.jpg"]}
        job_id = httpx.post(f"{url}/api/generate", json=body).json()["jobId"]
        eventually(lambda: httpx.get(f"{url}/api/jobs/{job_id}").json()["step"] == "poll-completion")
        broker.kill()
        studio.kill()
        studio.wait(10)
    assert broker.process.stdout
    broker.process.stdout.close()
    again = start("--db", str(database), "--port", broker_port)
    try:
        with studio_process(tmp_path, again, port):
            eventually(lambda: _status(f"{url}/api/templates") == 200)
            eventually(lambda: httpx.get(f"{url}/api/jobs/{job_id}").json()["status"] == "done", 60)
            assert httpx.get(f"{url}/api/shops/demo-shop").json()["videosUsed"] == 1
    finally:
        again.process.terminate()
        again.process.wait(20)
        assert again.process.stdout
        again.process.stdout.close()


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=2).status_code
    except httpx.HTTPError:
        return 0
