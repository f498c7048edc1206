"""How one picture gives way to the next."""

from PIL import Image

from ringback_video.rendering.camera import middle, taken
from ringback_video.templates import Transition

_GROWN = 0.35


def joined(going: Image.Image, coming: Image.Image, transition: Transition, done: float) -> Image.Image:
    """Return two pictures in the middle of a transition, `done` from 0 to 1."""
    match transition:
        case "slide":
            return _slide(going, coming, done)
        case "wipe":
            return _wipe(going, coming, done)
        case "zoom":
            closer = taken(going, middle(going.size, 1 + _GROWN * done), going.size, Image.Resampling.BILINEAR)
            return Image.blend(closer, coming, done)
        case _:
            return Image.blend(going, coming, done)


def _slide(going: Image.Image, coming: Image.Image, done: float) -> Image.Image:
    width = going.width
    picture = Image.new("RGB", going.size)
    shift = int(width * done)
    picture.paste(going, (-shift, 0))
    picture.paste(coming, (width - shift, 0))
    return picture


def _wipe(going: Image.Image, coming: Image.Image, done: float) -> Image.Image:
    picture = going.copy()
    edge = int(going.height * done)
    if edge:
        picture.paste(coming.crop((0, 0, going.width, edge)), (0, 0))
    return picture
