"""A shop orders a video and gets it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from ringback_video.templates import TEMPLATES
from support.endpoint import eventually
from video.conftest import World


def probed(path: Path) -> dict[str, object]:
    reader = imageio_ffmpeg.read_frames(str(path))
    found: dict[str, object] = next(reader)
    reader.close()
    return found


def test_the_demonstration_ends_with_the_path_of_a_playable_video(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ringback_video", "demo", "--data", str(tmp_path / "data")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert shown.returncode == 0, shown.stderr
    video = probed(Path(shown.stdout.splitlines()[-1]))
    assert (video["codec"], video["size"]) == ("h264", (1280, 720))
    assert str(video["pix_fmt"]).startswith("yuv420p")
    assert 4 <= float(str(video["duration"])) <= 8
    for word in ("rendering", "100 %  done"):  # what lasts for a moment only may not be seen by who follows
        assert word in shown.stdout


def test_a_job_is_queued_processed_and_done_and_counted_once(studio: World) -> None:
    before = studio.used()
    answer = studio.order(studio.sample(), caption="Zwölf Blüten")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    job = studio.finished(answer.json()["jobId"])
    assert [change["status"] for change in job["history"]] == ["queued", "processing", "done"]  # type: ignore[attr-defined]
    assert (job["progress"], job["step"], job["caption"]) == (100, "save-result", "Zwölf Blüten")
    assert studio.used() == before + 1
    video = studio.http.get(str(job["videoUrl"]), follow_redirects=True)
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    head = studio.http.head(str(job["videoUrl"]), follow_redirects=True)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(video.content)), b"")
    assert (
        studio.http.get(str(job["videoUrl"]), headers={"Range": "bytes=0-99"}, follow_redirects=True).status_code == 206
    )


def test_each_step_is_a_request_of_its_own(studio: World) -> None:
    job_id = studio.order(studio.sample(), caption="steps").json()["jobId"]
    studio.finished(job_id)
    headers = {"Authorization": f"Bearer {studio.broker.token}"}

    def ended() -> dict[str, Any] | None:
        """The job is done within the last step, the run a moment later."""
        runs = studio.http.get(f"{studio.broker.url}/v2/workflows/logs", headers=headers).json()["runs"]
        run = next(run for run in runs if job_id in run["steps"][0]["steps"][0]["out"])
        return dict(run) if run["workflowState"] == "RUN_SUCCESS" else None

    run: Any = eventually(ended)
    names = [step["stepName"] for group in run["steps"] for step in group["steps"]]
    assert [name for name in dict.fromkeys(names) if name not in ("init", "wait for the video")] == [
        "update-status",
        "generate-video: intent",
        "generate-video",
        "poll-completion",
        "save-result",
    ]


def test_an_uploaded_photo_can_be_used(studio: World) -> None:
    photo = studio.http.get("/photos/coffee.jpg").content
    upload = studio.http.post("/api/uploads", files={"photo": ("mine.jpg", photo, "image/jpeg")})
    assert upload.status_code == 201
    job = studio.finished(studio.order([upload.json()["url"]]).json()["jobId"])
    assert job["status"] == "done"


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_templates_keep_what_they_promise(template: object) -> None:
    from ringback_video.templates import Template

    assert isinstance(template, Template)
    assert min(template.width, template.height) >= 720
    assert 4 <= template.seconds <= 8
    assert template.width % 2 == template.height % 2 == 0


def test_a_job_can_be_canceled_and_ordered_again(studio: World) -> None:
    before = studio.used()
    job_id = studio.order(studio.sample(), template="travelling", caption="cancel me").json()["jobId"]
    assert studio.http.post(f"/api/jobs/{job_id}/retry").status_code == 409
    canceled = studio.http.post(f"/api/jobs/{job_id}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert studio.http.post(f"/api/jobs/{job_id}/cancel").status_code == 409
    again = studio.http.post(f"/api/jobs/{job_id}/retry").json()["jobId"]
    assert again != job_id
    assert studio.finished(again)["status"] == "done"
    assert studio.http.get(f"/api/jobs/{job_id}").json()["status"] == "canceled"
    assert studio.used() == before + 1
    assert studio.http.post("/api/jobs/nobody/cancel").status_code == 404


def test_a_canceled_job_ends_its_run(studio: World) -> None:
    job_id = studio.order(studio.sample(), template="travelling", caption="end of the run").json()["jobId"]
    studio.http.post(f"/api/jobs/{job_id}/cancel")
    headers = {"Authorization": f"Bearer {studio.broker.token}"}

    def state() -> bool:
        runs = studio.http.get(f"{studio.broker.url}/v2/workflows/logs", headers=headers).json()["runs"]
        mine = [run for run in runs if job_id in run["steps"][0]["steps"][0]["out"]]
        return bool(mine) and mine[0]["workflowState"] != "RUN_STARTED"

    eventually(state, 30)
