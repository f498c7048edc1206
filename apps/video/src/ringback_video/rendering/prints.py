"""Photos as prints that fall onto a table one by one and stay where they lie."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFilter

from ringback_video.rendering.camera import covering, eased, middle, taken
from ringback_video.templates import Template

_TABLE = (236, 229, 218)
_PAPER = (253, 252, 249)
_FALL_S = 0.65
_FIRST_S = 0.05
_HEIGHT = 1.45
_PUSH = 0.06
_TURNS = (-5.0, 4.0, -2.5, 6.5, -7.0, 2.0, -4.0, 5.5, -1.5, 3.0)
_SHIFTS = ((-0.05, -0.05), (0.06, -0.02), (-0.03, 0.02), (0.05, -0.06), (-0.06, 0.0))


class Prints:
    """A table with prints.

    Args:
        photos: RGB, in the order in which they fall.
        template: size, length and format of the video.
    """

    def __init__(self, photos: Sequence[Image.Image], template: Template) -> None:
        self._size = (template.width, template.height)
        self._seconds = template.seconds
        self._prints = [_print(photo, self._size, number) for number, photo in enumerate(photos)]
        self._length = template.seconds / len(photos)
        self._settled = [_table(self._size)]

    def picture(self, at: float) -> Image.Image:
        """Return the picture at a moment, in seconds from the start."""
        number = min(int(at / self._length), len(self._prints) - 1)
        fallen = (at - number * self._length - _FIRST_S) / _FALL_S
        if fallen >= 1:
            return self._pushed(self._with(number + 1), at)
        picture = self._with(number).copy()
        if fallen > 0:
            self._lay(picture, number, eased(fallen))
        return self._pushed(picture, at)

    def _with(self, count: int) -> Image.Image:
        """The table with the first prints on it."""
        while len(self._settled) <= count:
            picture = self._settled[-1].copy()
            self._lay(picture, len(self._settled) - 1, 1.0)
            self._settled.append(picture)
        return self._settled[count]

    def _lay(self, picture: Image.Image, number: int, fallen: float) -> None:
        """Draw a print on its way down; it starts large, near the eye, and casts its shadow with it."""
        shown = self._prints[number]
        if fallen < 1:
            grown = _HEIGHT - (_HEIGHT - 1) * fallen
            shown = shown.resize((round(shown.width * grown), round(shown.height * grown)), Image.Resampling.BILINEAR)
            shown.putalpha(shown.getchannel("A").point(lambda value: int(value * min(1.0, fallen * 2.2))))
        across, down = _SHIFTS[number % len(_SHIFTS)]
        width, height = self._size
        left = round(width * (0.5 + across) - shown.width / 2)
        top = round(height * (0.47 + down) - shown.height / 2 - (1 - fallen) * height * 0.1)
        picture.paste(shown, (left, top), shown)

    def _pushed(self, picture: Image.Image, at: float) -> Image.Image:
        """The camera comes slowly closer."""
        return taken(picture, middle(self._size, 1 + _PUSH * eased(at / self._seconds)), self._size)


def _table(size: tuple[int, int]) -> Image.Image:
    """A bright table, a little darker towards its edges."""
    shade = Image.radial_gradient("L").resize(size, Image.Resampling.BICUBIC).point(lambda value: int(value * 0.22))
    table = Image.new("RGB", size, _TABLE)
    table.paste((70, 52, 38), (0, 0), shade)
    return table


def _print(photo: Image.Image, frame: tuple[int, int], number: int) -> Image.Image:
    """A photo on paper with its shadow, turned as it will lie."""
    inner = _cropped(photo, round(min(frame) * 0.6))
    edge = round(min(frame) * 0.028)
    paper = Image.new("RGBA", (inner.width + 2 * edge, inner.height + edge + 3 * edge), (*_PAPER, 255))
    paper.paste(inner, (edge, edge))
    margin = edge * 3
    sheet = Image.new("RGBA", (paper.width + 2 * margin, paper.height + 2 * margin), (0, 0, 0, 0))
    ImageDraw.Draw(sheet).rectangle(
        (margin, margin + edge // 2, margin + paper.width, margin + paper.height + edge // 2), (30, 20, 12, 130)
    )
    sheet = sheet.filter(ImageFilter.GaussianBlur(edge * 0.6))
    sheet.paste(paper, (margin, margin))
    return sheet.rotate(_TURNS[number % len(_TURNS)], Image.Resampling.BICUBIC, expand=True)


def _cropped(photo: Image.Image, longest: int) -> Image.Image:
    """The photo at the size of a print; very long ones lose their ends."""
    ratio = min(1.3, max(0.8, photo.width / photo.height))
    size = (longest, round(longest / ratio)) if ratio >= 1 else (round(longest * ratio), longest)
    return photo.resize(size, Image.Resampling.LANCZOS, covering(photo.size, size))
