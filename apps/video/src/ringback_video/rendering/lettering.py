"""Words in the bundled font: the largest size with which they fit, broken into lines."""

from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageDraw, ImageFont

from ringback_video.settings import ASSETS

_FONT = ASSETS / "fonts" / "SourceSansPro-Bold.ttf"
LEADING = 1.22
"""Distance of two lines, in sizes of the font."""
_STEPS = 24
_SMALLEST_SHARE = 0.25

Ink = tuple[int, int, int, int]
WHITE: Ink = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class Lettering:
    """Words that have been fitted.

    Attributes:
        font: with its size in pixels.
        lines: the words, line by line.
    """

    font: ImageFont.FreeTypeFont
    lines: tuple[str, ...]

    @property
    def size(self) -> float:
        """Size of the font in pixels."""
        return self.font.size

    @property
    def width(self) -> float:
        """Width of the longest line in pixels."""
        return max(self.font.getlength(line) for line in self.lines)

    @property
    def height(self) -> float:
        """Height of all lines in pixels."""
        return len(self.lines) * self.size * LEADING

    def write(
        self, draw: ImageDraw.ImageDraw, x: float, y: float, anchor: str, ink: Ink = WHITE, stroke: float = 0
    ) -> None:
        """Draw the lines; y is the top of the first, the anchor is Pillow's (`la` or `ma`)."""
        for number, line in enumerate(self.lines):
            draw.text((x, y + number * self.size * LEADING), line, ink, self.font, anchor=anchor, stroke_width=stroke)


def fitted(text: str, width: float, lines: int, largest: float) -> Lettering:
    """Return a text as large as possible.

    Args:
        text: words; one that is wider than a line is broken.
        width: room for a line, in pixels.
        lines: how many lines there may be.
        largest: largest size of the font, in pixels; a quarter of it is the smallest, where the rest is cut off.
    """
    for step in range(_STEPS + 1):
        font = _font(largest * (1 - (1 - _SMALLEST_SHARE) * step / _STEPS))
        found = _wrapped(text, font, width, whole_words=step < _STEPS // 2)
        if found is not None and len(found) <= lines:
            return Lettering(font, tuple(found))
    return Lettering(font, tuple((found or [""])[:lines]))


def cannot_draw(text: str) -> str:
    """Return the characters of a text for which the bundled font has no glyph, each once."""
    font = _font(20)
    unknown = bytes(font.getmask("\uffff"))
    return "".join(
        dict.fromkeys(letter for letter in text if not letter.isspace() and bytes(font.getmask(letter)) == unknown)
    )


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: float, *, whole_words: bool) -> list[str] | None:
    """Return the lines, None where a word would have to be broken that should stay whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
            continue
        while font.getlength(word) > room and len(word) > 1:
            if whole_words:
                return None
            fits = next(
                count for count in range(len(word) - 1, 0, -1) if count == 1 or font.getlength(word[:count]) <= room
            )
            lines.append(word[:fits])
            word = word[fits:]  # noqa: PLW2901 - what is left of it
        lines.append(word)
    return lines or [""]
