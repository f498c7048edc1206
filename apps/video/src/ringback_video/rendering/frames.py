"""The frames of a video: photos that move, give way to each other, and carry the caption."""

from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from ringback_video.rendering.camera import eased
from ringback_video.rendering.captions import Caption, draw_caption
from ringback_video.rendering.prints import Prints
from ringback_video.rendering.scenes import scene
from ringback_video.rendering.transitions import joined
from ringback_video.templates import Template

FRAMES_PER_SECOND = 30
_TRANSITION_S = 0.7
_CAPTION_AFTER_S = 0.25
_CAPTION_IN_S = 0.6
_CAPTION_OUT_S = 0.4
_RISE = 0.035
_TOO_FAINT = 1 / 255

Picture = Callable[[float], Image.Image]


def frame_count(template: Template, per_second: int = FRAMES_PER_SECOND) -> int:
    """Return how many frames a video has."""
    return round(template.seconds * per_second)


def frames(
    photos: Sequence[Image.Image], template: Template, caption: str, per_second: int = FRAMES_PER_SECOND
) -> Iterator[Image.Image]:
    """Yield the frames of a video one by one; the same photos give the same frames."""
    label = draw_caption(caption, template)
    picture = Prints(photos, template).picture if template.layout == "prints" else _succession(photos, template)
    for number in range(frame_count(template, per_second)):
        at = number / per_second
        frame = picture(at)
        _write_caption(frame, label, at, template)
        yield frame


def _succession(photos: Sequence[Image.Image], template: Template) -> Picture:
    """One photo after the other; each moves from the moment it begins to appear until it is gone."""
    scenes = [scene(photo, template, number) for number, photo in enumerate(photos)]
    length = template.seconds / len(scenes)
    fade = min(_TRANSITION_S, length / 2)

    def seen(number: int, at: float) -> Image.Image:
        before = fade if number else 0.0
        return scenes[number].draw((at - number * length + before) / (length + before))

    def picture(at: float) -> Image.Image:
        current = min(int(at / length), len(scenes) - 1)
        left = (current + 1) * length - at
        if left < fade and current + 1 < len(scenes):
            return joined(seen(current, at), seen(current + 1, at), template.transition, eased(1 - left / fade))
        return seen(current, at)

    return picture


def _write_caption(frame: Image.Image, caption: Caption, at: float, template: Template) -> None:
    """The caption comes up softly, stays, and leaves softly; its ground only fades."""
    coming = eased((at - _CAPTION_AFTER_S) / _CAPTION_IN_S)
    strength = min(coming, eased((template.seconds - at) / _CAPTION_OUT_S))
    if strength < _TOO_FAINT:
        return
    if caption.ground:
        caption.ground.lay(frame, strength, 0)
    caption.words.lay(frame, strength, round((1 - coming) * _RISE * template.height))
