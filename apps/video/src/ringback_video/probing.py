"""Whether a file is the video that was ordered."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

_LENGTH_OFF_S = 0.5
_SHAPE_OFF = 0.03
_PATIENCE_S = 30
_SIZE = re.compile(r"Stream .*Video: .*?\b(\d{2,5})x(\d{2,5})\b")
_LENGTH = re.compile(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")


class NotTheVideo(Exception):
    """A file is not the video that was ordered; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a finished file should be.

    Attributes:
        width, height: in pixels.
        seconds: how long it is.
        exact: whether the size counts in pixels, or only its shape.
    """

    width: int
    height: int
    seconds: float
    exact: bool = True


def check_video(path: Path, wanted: Wanted) -> None:
    """Look into a finished file.

    Raises:
        NotTheVideo: it cannot be played, or has another size or length than was wanted.
    """
    width, height, seconds = _measured(path)
    off = abs(width * wanted.height / (height * wanted.width) - 1)
    if off > _SHAPE_OFF or (wanted.exact and (width, height) != (wanted.width, wanted.height)):
        raise NotTheVideo(f"The finished video is {width} x {height} instead of {wanted.width} x {wanted.height}.")
    if abs(seconds - wanted.seconds) > _LENGTH_OFF_S:
        raise NotTheVideo(f"The finished video is {seconds:g} s long instead of {wanted.seconds:g} s.")


def _measured(path: Path) -> tuple[int, int, float]:
    """Return width, height and length, from what FFmpeg says when it opens a file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path)]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=False
        ).stderr
    except subprocess.TimeoutExpired:
        said = ""
    size, length = _SIZE.search(said), _LENGTH.search(said)
    if not size or not length:
        raise NotTheVideo("The finished file is not a video that can be played.")
    hours, minutes, seconds = length.groups()
    return int(size[1]), int(size[2]), int(hours) * 3600 + int(minutes) * 60 + float(seconds)
