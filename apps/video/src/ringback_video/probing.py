"""Whether a file is the video that was ordered."""

from pathlib import Path

import imageio_ffmpeg

from ringback_video.templates import Template

_TOLERANCE_S = 0.5


class NotTheVideo(Exception):
    """A file is not the video that was ordered; the text says what is wrong."""


def check_video(path: Path, template: Template) -> None:
    """Look into a finished file.

    Raises:
        NotTheVideo: it cannot be played, or has another size or length than the template says.
    """
    try:
        reader = imageio_ffmpeg.read_frames(str(path))
        found = next(reader)
        reader.close()
    except (OSError, RuntimeError, StopIteration) as error:
        raise NotTheVideo("The finished file is not a video that can be played.") from error
    size, seconds = tuple(found["size"]), float(found["duration"])
    if size != (template.width, template.height):
        raise NotTheVideo(
            f"The finished video is {size[0]} x {size[1]} instead of {template.width} x {template.height}."
        )
    if abs(seconds - template.seconds) > _TOLERANCE_S:
        raise NotTheVideo(f"The finished video is {seconds:g} s long instead of {template.seconds:g} s.")
