"""A provider that makes one real video, without rendering anything."""

import subprocess
from pathlib import Path

import imageio_ffmpeg

from ringback_video.providers.contract import Capabilities, Look
from ringback_video.providers.local import LocalProvider
from ringback_video.templates import TEMPLATES

URL = "https://studio.test"
TEMPLATE = TEMPLATES["runway"]


class StubProvider:
    """Makes one video of the right size and length, ready at the second look."""

    capabilities: Capabilities = LocalProvider.capabilities

    def __init__(self, video: bytes) -> None:
        self._video = video
        self.started: set[str] = set()
        self._looks = 0

    def start(self, operation_id: str, *_: object, **__: object) -> str:
        self.started.add(operation_id)
        return operation_id

    def look_up(self, operation_id: str) -> str | None:
        return operation_id if operation_id in self.started else None

    def poll(self, operation_id: str) -> Look:
        self._looks += 1
        return Look("done", 100) if self._looks > 1 else Look("running", 40)

    def restart(self, operation_id: str) -> None:
        self.started.add(operation_id)

    def fetch(self, operation_id: str, target: Path) -> None:
        assert operation_id in self.started
        target.write_bytes(self._video)

    def cancel(self, operation_id: str) -> None:
        self.started.discard(operation_id)


def make_video(folder: Path) -> bytes:
    """Return a real MP4 as the template wants it, of one colour."""
    path = folder / "video.mp4"
    source = f"color=c=teal:s={TEMPLATE.width}x{TEMPLATE.height}:d={TEMPLATE.seconds}:r=5"
    line = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-preset",
        "ultrafast",
        str(path),
    ]
    subprocess.run(line, check=True, timeout=60)
    return path.read_bytes()
