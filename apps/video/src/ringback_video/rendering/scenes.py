"""One photo in the picture: filling it, beside a panel of colour, or whole over a blurred ground."""

from typing import Protocol

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from ringback_video.rendering.areas import Box, panel_area, photo_area
from ringback_video.rendering.camera import covering, eased, middle, taken, view
from ringback_video.templates import Colour, Template

_INK = (16, 15, 20)
_TINT = 0.16
_GROUND_SPARE = 1.12
_FRAMED_WIDTH, _FRAMED_HEIGHT = 0.9, 0.64
_INNER_ZOOM = 0.09


class Scene(Protocol):
    """A photo for as long as it is seen."""

    def draw(self, progress: float) -> Image.Image:
        """Return the picture; progress is 0 when the photo appears and 1 when it is gone."""


def scene(photo: Image.Image, template: Template, number: int) -> Scene:
    """Return how a template shows one photo.

    Args:
        photo: RGB.
        template: whose layout is followed.
        number: which photo of the video it is; neighbours move differently.
    """
    match template.layout:
        case "framed":
            return _Framed(photo, template)
        case "panel":
            return _BesidePanel(photo, template, number)
        case _:
            return _Full(photo, template, number)


def panel_colour(accent: Colour) -> Colour:
    """Return the dark ground that white words can be read on, with a breath of the accent."""
    red, green, blue = (round(ink + (tint - ink) * _TINT) for ink, tint in zip(_INK, accent, strict=True))
    return red, green, blue


class _Full:
    """The photo fills an area and moves in it."""

    def __init__(self, photo: Image.Image, template: Template, number: int) -> None:
        self._photo, self._template, self._number = photo, template, number
        left, top, right, bottom = photo_area(template)
        self._size = (right - left, bottom - top)

    def draw(self, progress: float) -> Image.Image:
        seen = view(self._photo.size, self._size, self._template.motion, self._number, progress)
        return taken(self._photo, seen, self._size)


class _BesidePanel:
    """The photo moves in its area; the rest is a panel with a stroke of colour along the edge."""

    def __init__(self, photo: Image.Image, template: Template, number: int) -> None:
        self._inner = _Full(photo, template, number)
        self._place = photo_area(template)[:2]
        self._ground = Image.new("RGB", (template.width, template.height), panel_colour(template.accent))
        ImageDraw.Draw(self._ground).rectangle(_edge(panel_area(template), template), template.accent)

    def draw(self, progress: float) -> Image.Image:
        picture = self._ground.copy()
        picture.paste(self._inner.draw(progress), self._place)
        return picture


class _Framed:
    """The whole photo, with round corners and a shadow, over a blurred and darkened ground of itself."""

    def __init__(self, photo: Image.Image, template: Template) -> None:
        self._photo = photo
        self._frame = (template.width, template.height)
        self._ground = _blurred(photo, self._frame)
        self._window = _window(photo.size, self._frame)
        left, top, right, bottom = self._window
        self._size = (right - left, bottom - top)
        self._mask = _rounded(self._size, min(self._frame) // 30)
        self._shadow = _shadow(self._frame, self._window)

    def draw(self, progress: float) -> Image.Image:
        travelled = eased(progress)
        picture = self._drifted_ground(travelled)
        picture.paste((0, 0, 0), (0, 0), self._shadow)
        inside = taken(self._photo, middle(self._photo.size, 1 + _INNER_ZOOM * travelled), self._size)
        picture.paste(inside, self._window[:2], self._mask)
        return picture

    def _drifted_ground(self, travelled: float) -> Image.Image:
        width, height = self._frame
        left, top = (self._ground.width - width) / 2, (self._ground.height - height) * travelled
        return taken(self._ground, (left, top, left + width, top + height), self._frame, Image.Resampling.BILINEAR)


def _edge(panel: Box, template: Template) -> Box:
    """The stroke between panel and photo."""
    left, top, right, bottom = panel
    thick = max(3, min(template.width, template.height) // 90)
    if template.width > template.height:
        return right - thick, top, right - 1, bottom
    return left, top, right, top + thick - 1


def _blurred(photo: Image.Image, frame: tuple[int, int]) -> Image.Image:
    """A ground a little larger than the frame; blurred small, which is the same and quick."""
    size = (round(frame[0] * _GROUND_SPARE), round(frame[1] * _GROUND_SPARE))
    small = photo.resize((size[0] // 8, size[1] // 8), Image.Resampling.BOX, covering(photo.size, size))
    soft = small.filter(ImageFilter.GaussianBlur(min(small.size) / 14)).resize(size, Image.Resampling.BICUBIC)
    return ImageEnhance.Brightness(soft).enhance(0.52)


def _window(photo: tuple[int, int], frame: tuple[int, int]) -> Box:
    """Where the whole photo stands: above the middle, which leaves room for the caption."""
    most = (frame[0] * _FRAMED_WIDTH, frame[1] * _FRAMED_HEIGHT)
    scale = min(most[0] / photo[0], most[1] / photo[1])
    width, height = max(2, round(photo[0] * scale)), max(2, round(photo[1] * scale))
    left, top = (frame[0] - width) // 2, round((frame[1] - height) * (0.44 if frame[1] > frame[0] else 0.25))
    return left, top, left + width, top + height


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    large = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), radius * 2, 255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _shadow(frame: tuple[int, int], window: Box) -> Image.Image:
    """How dark it is around the photo."""
    left, top, right, bottom = window
    drop = frame[1] // 60
    shade = Image.new("L", frame, 0)
    ImageDraw.Draw(shade).rounded_rectangle((left, top + drop, right, bottom + drop), min(frame) // 30, 165)
    return shade.filter(ImageFilter.GaussianBlur(min(frame) / 36))
