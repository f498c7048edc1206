"""Video Studio on the three platforms, killed in each step, deployed anew in the middle: every video is made, counted once."""

import pickle
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from ringback.simulate import Simulation
from ringback.simulate.pytest import Simulate
from ringback_video.providers.contract import Look
from ringback_video.settings import PHOTOS
from ringback_video.templates import TEMPLATES
from simulate.conftest import variables
from support.endpoint import Answer, Received, eventually, listening
from support.process import BrokerProcess

STEPS = ("update-status", "generate-video", "poll-completion", "save-result")


class VideoService:
    """Makes videos outside the function, as providers do; a paid order is one operation, however often it is asked for."""

    def __init__(self, video: bytes) -> None:
        self._video = video
        self.looks: dict[str, int] = {}

    def start(self, operation_id: str, order: object) -> str:
        self.looks.setdefault(operation_id, 0)
        return operation_id

    def look_up(self, operation_id: str) -> str | None:
        return operation_id if operation_id in self.looks else None

    def poll(self, operation_id: str) -> Look:
        self.looks[operation_id] += 1
        return Look("running", 50) if self.looks[operation_id] < 2 else Look("done", 100)

    def fetch(self, operation_id: str) -> bytes:
        return self._video

    def respond(self, request: Received) -> Answer:
        asked = getattr(self, request.path.removeprefix("/"))
        return Answer(body=pickle.dumps(asked(*pickle.loads(request.body))))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A still picture as long and as large as the template wants it."""
    wanted, target = TEMPLATES["runway"], tmp_path_factory.mktemp("video") / "still.mp4"
    scale = f"scale={wanted.width}:{wanted.height},format=yuv420p"
    line = [imageio_ffmpeg.get_ffmpeg_exe(), "-loop", "1", "-i", str(PHOTOS / "coffee.jpg"), "-vf", scale]
    line += ["-t", str(wanted.seconds), "-r", "10", "-preset", "ultrafast", str(target)]
    subprocess.run(line, check=True, capture_output=True, timeout=60)
    return target.read_bytes()


@contextmanager
def deployed(
    simulate: Simulate, apps: Path, folder: Path, broker: BrokerProcess, service: VideoService, name: str, moment: str
) -> Iterator[Simulation]:
    (folder / "holds").mkdir()
    with listening(service.respond) as listener:
        yield simulate(
            name,
            "studio:app",
            folder=apps,
            writable=[folder],
            duration_s=3,
            environment=variables(broker)
            | {
                "STUDIO_URL": "{url}",
                "STUDIO_DATA": str(folder),
                "DATABASE_URL": f"sqlite:///{folder / 'studio.db'}",
                "RENDER_URL": listener.url,
                "HOLDS": str(folder / "holds"),
                "HOLD_MOMENT": moment,
            },
        )


def order(simulation: Simulation, caption: str) -> str:
    body = {
        "shopId": "demo-shop",
        "templateId": "runway",
        "sourceImageUrls": [f"{simulation.url}/photos/coffee.jpg"],
        "caption": caption,
    }
    answer = httpx.post(f"{simulation.url}/api/generate", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def state_of_runs(broker: BrokerProcess, jobs: list[str]) -> list[str]:
    """Return how the runs of the jobs stand."""
    headers = {"Authorization": f"Bearer {broker.token}"}
    runs = httpx.get(f"{broker.url}/v2/workflows/logs", headers=headers, timeout=20).json()["runs"]
    return [run["workflowState"] for run in runs if any(job in str(run["steps"][0]) for job in jobs)]


@pytest.mark.parametrize(("name", "moment"), [("vercel", "after"), ("lambda", "before"), ("cloudrun", "after")])
def test_every_job_ends_done_and_is_counted_once(
    simulate: Simulate, apps: Path, tmp_path: Path, broker: BrokerProcess, video: bytes, name: str, moment: str
) -> None:
    service = VideoService(video)
    with deployed(simulate, apps, tmp_path, broker, service, name, moment) as simulation:
        jobs = [order(simulation, "first"), order(simulation, "second")]
        for step in STEPS[:3]:
            eventually((tmp_path / "holds" / step).exists, 60)
            if step == "poll-completion":
                simulation.redeploy()
            simulation.kill()
        eventually((tmp_path / "holds" / "save-result").exists, 60)
        # the platform's own time limit is left to deal with the last step; on Cloud Run its work goes on beside the next try
        eventually(lambda: state_of_runs(broker, jobs) == ["RUN_SUCCESS"] * 2, 60)
        (tmp_path / "holds" / "release").touch()
        eventually(lambda: all(one["state"] == "frozen" for one in simulation.snapshot()["instances"]), 30)
        found = [httpx.get(f"{simulation.url}/api/jobs/{one}", timeout=60).json() for one in jobs]
        assert [one["status"] for one in found] == ["done", "done"]
        assert (
            httpx.get(httpx.URL(simulation.url).join(found[0]["videoUrl"]), timeout=60, follow_redirects=True).content
            == video
        )
        assert httpx.get(f"{simulation.url}/api/shops/demo-shop", timeout=60).json()["videosUsed"] == 2
        assert set(service.looks) == set(jobs)
        assert simulation.snapshot()["coldStarts"] >= 4
        wrong = {one.rule: one for one in simulation.findings if one.severity.name == "ERROR"}
        assert set(wrong) == {"duration"}, wrong  # ours: we held it
