"""Frames into an MP4 that every browser plays, with the FFmpeg that comes from PyPI."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from ringback_video.rendering.frames import FRAMES_PER_SECOND

_CLOSING_S = 60.0


class EncodingFailed(Exception):
    """FFmpeg did not make a video; the text is what it said."""


def encode(frames: Iterable[Image.Image], size: tuple[int, int], target: Path, advanced: Callable[[int], None]) -> None:
    """Write frames as H.264 in yuv420p.

    Args:
        frames: RGB pictures of the same size.
        size: width and height.
        target: the file; it appears only when it is complete.
        advanced: told the number of frames written so far.

    Raises:
        EncodingFailed: no video was made.
    """
    part = target.with_name(f"{target.stem}.part.mp4")
    with part.with_suffix(".log").open("w+b") as log:
        process = subprocess.Popen(_command(size, part), stdin=subprocess.PIPE, stdout=log, stderr=log)
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


def _command(size: tuple[int, int], target: Path) -> list[str]:
    """The same input gives the same file: two threads, no metadata."""
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(FRAMES_PER_SECOND), "-i", "-",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "2",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", str(target),
    ]  # fmt: skip
