"""The frames of a video: photos that move, give way to each other, and carry the caption."""

from collections.abc import Iterator, Sequence

from PIL import Image

from ringback_video.rendering.camera import eased, view
from ringback_video.rendering.captions import draw_caption
from ringback_video.templates import Template

FRAMES_PER_SECOND = 30
_TRANSITION_S = 0.7
_CAPTION_IN_S = 0.5
_CAPTION_OUT_S = 0.4


def frame_count(template: Template) -> int:
    """Return how many frames a video has."""
    return round(template.seconds * FRAMES_PER_SECOND)


def frames(photos: Sequence[Image.Image], template: Template, caption: str) -> Iterator[Image.Image]:
    """Yield the frames of a video one by one; the same photos give the same frames."""
    label = draw_caption(caption, template)
    for number in range(frame_count(template)):
        at = number / FRAMES_PER_SECOND
        frame = _picture(photos, template, at)
        strength = _caption_strength(at, template.seconds)
        if strength > 0:
            alpha = label.getchannel("A").point(lambda value, s=strength: int(value * s))
            frame.paste(label.convert("RGB"), (0, 0), alpha)
        yield frame


def _picture(photos: Sequence[Image.Image], template: Template, at: float) -> Image.Image:
    """Return the picture at a moment, without caption."""
    length = template.seconds / len(photos)
    fade = min(_TRANSITION_S, length / 2)
    current = min(int(at / length), len(photos) - 1)
    left = (current + 1) * length - at
    shown = _seen(photos[current], template, current, at, length, fade)
    if left < fade and current + 1 < len(photos):
        coming = _seen(photos[current + 1], template, current + 1, at, length, fade)
        return _joined(shown, coming, template, eased(1 - left / fade))
    return shown


def _seen(photo: Image.Image, template: Template, number: int, at: float, length: float, fade: float) -> Image.Image:
    """A photo moves from the moment it begins to appear until it is gone."""
    began = number * length - (fade if number else 0)
    progress = (at - began) / (length + (fade if number else 0))
    frame = (template.width, template.height)
    seen = view(photo.size, frame, template.motion, number, progress)
    return photo.transform(
        frame,
        Image.Transform.AFFINE,
        (seen.scale, 0, seen.left, 0, seen.scale, seen.top),
        Image.Resampling.BICUBIC,
    )


def _joined(going: Image.Image, coming: Image.Image, template: Template, done: float) -> Image.Image:
    """Return two pictures in the middle of a transition, `done` from 0 to 1."""
    width, height = going.size
    match template.transition:
        case "fade":
            return Image.blend(going, coming, done)
        case "slide":
            joined = Image.new("RGB", going.size)
            shift = int(width * done)
            joined.paste(going, (-shift, 0))
            joined.paste(coming, (width - shift, 0))
            return joined
        case "wipe":
            joined = going.copy()
            edge = int(height * done)
            joined.paste(coming.crop((0, 0, width, edge)), (0, 0))
            return joined
        case "zoom":
            grown = 1 + 0.35 * done
            inner = (width * (1 - 1 / grown) / 2, height * (1 - 1 / grown) / 2)
            closer = going.transform(
                going.size,
                Image.Transform.AFFINE,
                (1 / grown, 0, inner[0], 0, 1 / grown, inner[1]),
                Image.Resampling.BILINEAR,
            )
            return Image.blend(closer, coming, done)


def _caption_strength(at: float, seconds: float) -> float:
    """The caption comes softly, stays, and leaves softly."""
    return min(1.0, eased((at - 0.25) / _CAPTION_IN_S), eased((seconds - at) / _CAPTION_OUT_S))
