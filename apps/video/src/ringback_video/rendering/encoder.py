"""Frames into an MP4 that every browser plays, with the FFmpeg that comes from PyPI."""

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import imageio_ffmpeg
from PIL import Image

from ringback_video.rendering.frames import FRAMES_PER_SECOND

_CLOSING_S = 60.0


@dataclass(frozen=True, slots=True)
class Quality:
    """How a file is made.

    Attributes:
        per_second: frames for each second.
        factor: x264's constant rate factor; lower is better and larger.
        preset: x264's name for how much work goes into making it small.
    """

    per_second: int = FRAMES_PER_SECOND
    factor: int = 20
    preset: str = "veryfast"


FULL = Quality()


class EncodingFailed(Exception):
    """FFmpeg did not make a video; the text is what it said."""


def encode(
    frames: Iterable[Image.Image],
    size: tuple[int, int],
    target: Path,
    advanced: Callable[[int], None],
    quality: Quality = FULL,
) -> None:
    """Write frames as H.264 in yuv420p.

    Args:
        frames: RGB pictures of the same size.
        size: width and height.
        target: the file; it appears only when it is complete.
        advanced: told the number of frames written so far.
        quality: how the file is made.

    Raises:
        EncodingFailed: no video was made.
    """
    part = target.with_name(f"{target.stem}.part.mp4")
    with TemporaryFile() as log:
        process = subprocess.Popen(_command(size, part, quality), stdin=subprocess.PIPE, stdout=log, stderr=log)
        if process.stdin is None:
            raise EncodingFailed("FFmpeg takes no input")
        try:
            for number, frame in enumerate(frames, 1):
                process.stdin.write(frame.tobytes())
                advanced(number)
            process.stdin.close()
        except BrokenPipeError:
            pass  # what FFmpeg said stands in its log
        status = process.wait(_CLOSING_S)
        if status:
            log.seek(0)
            raise EncodingFailed(
                f"FFmpeg ended with status {status}: {log.read()[-500:].decode(errors='replace').strip()}"
            )
    part.replace(target)


def _command(size: tuple[int, int], target: Path, quality: Quality) -> list[str]:
    """The same input gives the same file: two threads, no metadata."""
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(quality.per_second), "-i", "-",
        "-c:v", "libx264", "-preset", quality.preset, "-crf", str(quality.factor), "-pix_fmt", "yuv420p", "-threads", "2",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", str(target),
    ]  # fmt: skip
