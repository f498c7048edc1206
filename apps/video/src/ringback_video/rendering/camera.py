"""How a still photo moves: which part of it is seen at each moment."""

from math import cos, pi

from PIL import Image

from ringback_video.templates import Motion

Part = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, fractions of pixels included."""

_CLOSEST = 1.22
_DRIFT = 1.12


def eased(progress: float) -> float:
    """Return a progress of 0 to 1 that starts and ends softly."""
    return (1 - cos(pi * min(1.0, max(0.0, progress)))) / 2


def taken(
    picture: Image.Image, part: Part, size: tuple[int, int], how: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """Return a part of a picture, drawn at a size; slow movement stays smooth, because parts begin between pixels, too."""
    left, top, right, bottom = part
    within = (max(0.0, left), max(0.0, top), min(right, picture.width), min(bottom, picture.height))
    return picture.resize(size, how, within)


def middle(size: tuple[int, int], zoom: float) -> Part:
    """Return the middle part of a picture, a `zoom`th of it each way."""
    across, down = (side * (1 - 1 / zoom) / 2 for side in size)
    return across, down, size[0] - across, size[1] - down


def view(photo: tuple[int, int], frame: tuple[int, int], motion: Motion, number: int, progress: float) -> Part:
    """Return the part of a photo that fills the frame.

    Args:
        photo: its width and height.
        frame: width and height of the video.
        motion: how it moves.
        number: which photo of the video it is; neighbours move differently.
        progress: 0 when it appears, 1 when it is gone.
    """
    travelled = eased(progress)
    zoom = _zoom(motion, number, travelled)
    cover = min(photo[0] / frame[0], photo[1] / frame[1])
    scale = cover / zoom
    wide, tall = frame[0] * scale, frame[1] * scale
    across, down = _focus(motion, number, travelled)
    left, top = (photo[0] - wide) * across, (photo[1] - tall) * down
    return left, top, left + wide, top + tall


def covering(photo: tuple[int, int], frame: tuple[int, int]) -> Part:
    """Return the largest middle part of a photo that has the shape of a frame."""
    scale = min(photo[0] / frame[0], photo[1] / frame[1])
    across, down = (max(0.0, (side - wide * scale) / 2) for side, wide in zip(photo, frame, strict=True))
    return across, down, photo[0] - across, photo[1] - down


def _zoom(motion: Motion, number: int, travelled: float) -> float:
    match motion:
        case "push":
            return 1.02 + (_CLOSEST - 1.02) * travelled
        case "pull":
            return _CLOSEST - (_CLOSEST - 1.02) * travelled
        case "pan":
            return 1.16
        case "drift":
            return _DRIFT + 0.06 * (travelled if number % 2 else 1 - travelled)


def _focus(motion: Motion, number: int, travelled: float) -> tuple[float, float]:
    """Return where the frame stands within the spare part of the photo, 0 to 1 each way."""
    forth = travelled if number % 2 == 0 else 1 - travelled
    match motion:
        case "pan":
            return forth, 0.5
        case "drift":
            return 0.25 + 0.5 * forth, 0.75 - 0.5 * forth
        case _:
            return 0.5 + 0.12 * (forth - 0.5), 0.5
