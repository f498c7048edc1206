"""Whether a file is the video that was ordered."""

from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

_LENGTH_OFF_S = 0.5
_SHAPE_OFF = 0.03


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
    try:
        reader = imageio_ffmpeg.read_frames(str(path))
        found = next(reader)
        reader.close()
    except (OSError, RuntimeError, StopIteration) as error:
        raise NotTheVideo("The finished file is not a video that can be played.") from error
    (width, height), seconds = found["size"], float(found["duration"])
    off = abs(width * wanted.height / (height * wanted.width) - 1)
    if off > _SHAPE_OFF or (wanted.exact and (width, height) != (wanted.width, wanted.height)):
        raise NotTheVideo(f"The finished video is {width} x {height} instead of {wanted.width} x {wanted.height}.")
    if abs(seconds - wanted.seconds) > _LENGTH_OFF_S:
        raise NotTheVideo(f"The finished video is {seconds:g} s long instead of {wanted.seconds:g} s.")
