"""The caption of a video, drawn once and laid over every frame."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from ringback_video.rendering.areas import panel_area
from ringback_video.rendering.lettering import LEADING, Lettering, fitted
from ringback_video.templates import CaptionStyle, Template

_SHADE = (12, 14, 20)
_ROOM = 0.78
_LARGEST = 0.085
_LINES = 2
_PANEL_LINES = 5

Draw = Callable[[Image.Image, Lettering, Template], None]


class Layer:
    """Something drawn, cut to where there is anything to see.

    Args:
        drawn: RGBA, of the size of the frame.
    """

    def __init__(self, drawn: Image.Image) -> None:
        box = drawn.getchannel("A").getbbox() or (0, 0, 1, 1)
        self._place = box[:2]
        cut = drawn.crop(box)
        self._colour, self._alpha = cut.convert("RGB"), cut.getchannel("A")

    def lay(self, frame: Image.Image, strength: float, down: int) -> None:
        """Lay it over a frame.

        Args:
            frame: RGB; changed.
            strength: 0 is invisible, 1 as drawn.
            down: how many pixels lower than drawn.
        """
        alpha = self._alpha if strength >= 1 else self._alpha.point(lambda value: int(value * strength))
        frame.paste(self._colour, (self._place[0], self._place[1] + down), alpha)


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption in two layers: the words move, the ground behind them does not."""

    words: Layer
    ground: Layer | None = None


@lru_cache(maxsize=8)
def draw_caption(text: str, template: Template) -> Caption:
    """Return the caption for a template."""
    words = Image.new("RGBA", (template.width, template.height), (0, 0, 0, 0))
    if not text.strip():
        return Caption(Layer(words))
    letters = _letters(text, template)
    _STYLES[template.caption_style](words, letters, template)
    if template.caption_style == "bar":
        return Caption(Layer(words), Layer(_ground(letters, template)))
    return Caption(Layer(words))


def _letters(text: str, template: Template) -> Lettering:
    short = min(template.width, template.height)
    if template.caption_style == "panel":
        left, top, right, bottom = panel_area(template)
        largest = short * (0.12 if template.width > template.height else 0.1)
        lines = min(_PANEL_LINES, int((bottom - top) * 0.7 / (largest * LEADING)))
        return fitted(text, (right - left) * _ROOM, lines, largest)
    return fitted(text, template.width * _ROOM, _LINES, short * _LARGEST)


def _ground(letters: Lettering, template: Template) -> Image.Image:
    """The picture grows dark towards its lower edge, behind the words."""
    width, height = template.width, template.height
    tall = int(letters.height + height * 0.2)
    shade = Image.linear_gradient("L").resize((width, tall)).point(lambda value: int(value * 0.8))
    layer = Image.new("RGBA", (width, height), (*_SHADE, 0))
    layer.paste(Image.new("RGBA", (width, tall), (*_SHADE, 255)), (0, height - tall), shade)
    return layer


def _bar(layer: Image.Image, letters: Lettering, template: Template) -> None:
    """A lower third with a stroke of colour beside the words."""
    draw = ImageDraw.Draw(layer)
    left, top = layer.width * 0.07, layer.height * 0.92 - letters.height
    inset = letters.size * 0.1
    draw.rounded_rectangle(
        (left, top + inset, left + letters.size * 0.13, top + letters.height - inset),
        letters.size * 0.07,
        (*template.accent, 255),
    )
    letters.write(draw, left + letters.size * 0.45, top, "la")


def _card(layer: Image.Image, letters: Lettering, template: Template) -> None:
    """A rounded card above the lower edge."""
    width, height = layer.size
    tall, wide = letters.height + letters.size * 0.9, letters.width + letters.size * 1.6
    left, top = (width - wide) / 2, height * 0.9 - tall
    box = (left, top, left + wide, top + tall)
    shadow = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    ImageDraw.Draw(shadow).rounded_rectangle(box, letters.size * 0.5, (0, 0, 0, 150))
    layer.alpha_composite(shadow.filter(ImageFilter.GaussianBlur(letters.size * 0.4)))
    draw = ImageDraw.Draw(layer)
    draw.rounded_rectangle(box, letters.size * 0.5, (*_SHADE, 214))
    half = letters.size * 0.7
    stroke = (width / 2 - half, top + tall - letters.size * 0.3, width / 2 + half, top + tall - letters.size * 0.2)
    draw.rounded_rectangle(stroke, letters.size * 0.05, (*template.accent, 255))
    letters.write(draw, width / 2, top + letters.size * 0.3, "ma")


def _line(layer: Image.Image, letters: Lettering, template: Template) -> None:
    """Words with a soft shadow over a thin line."""
    width, height = layer.size
    top = height * 0.88 - letters.height
    shadow = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    letters.write(ImageDraw.Draw(shadow), width / 2, top, "ma", (0, 0, 0, 230), letters.size * 0.05)
    layer.alpha_composite(shadow.filter(ImageFilter.GaussianBlur(letters.size * 0.16)))
    draw = ImageDraw.Draw(layer)
    letters.write(draw, width / 2, top, "ma")
    half, y = letters.width / 2, top + letters.height + letters.size * 0.12
    thick = max(2, int(letters.size * 0.07))
    draw.line((width / 2 - half, y, width / 2 + half, y), (*template.accent, 255), thick)


def _corner(layer: Image.Image, letters: Lettering, template: Template) -> None:
    """A slightly turned label in the corner."""
    size = (int(letters.width + letters.size * 1.2), int(letters.height + letters.size * 0.7))
    label = Image.new("RGBA", size, (*template.accent, 0))
    draw = ImageDraw.Draw(label)
    draw.rounded_rectangle((0, 0, label.width - 1, label.height - 1), letters.size * 0.3, (*template.accent, 245))
    letters.write(draw, label.width / 2, letters.size * 0.3, "ma")
    turned = label.rotate(3.5, Image.Resampling.BICUBIC, expand=True)
    layer.alpha_composite(turned, (int(layer.width * 0.05), int(layer.height * 0.94 - turned.height)))


def _panel(layer: Image.Image, letters: Lettering, template: Template) -> None:
    """Large words in the panel, under a short stroke of colour."""
    left, top, right, bottom = panel_area(template)
    x = left + (right - left) * (1 - _ROOM) / 2
    y = top + (bottom - top - letters.height) / 2
    draw = ImageDraw.Draw(layer)
    short = min(template.width, template.height)
    draw.rectangle((x, y - short * 0.05, x + short * 0.1, y - short * 0.04), (*template.accent, 255))
    letters.write(draw, x, y, "la")


_STYLES: dict[CaptionStyle, Draw] = {"bar": _bar, "card": _card, "line": _line, "corner": _corner, "panel": _panel}
