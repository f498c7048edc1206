"""The caption of a video, drawn once and laid over every frame."""

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ringback_video.settings import ASSETS
from ringback_video.templates import Template

_FONT = ASSETS / "fonts" / "SourceSansPro-Bold.ttf"
_WHITE = (255, 255, 255, 255)
_SHADE = (12, 14, 20)


@lru_cache(maxsize=8)
def draw_caption(text: str, template: Template) -> Image.Image:
    """Return the caption as a transparent picture of the size of the frame."""
    layer = Image.new("RGBA", (template.width, template.height), (0, 0, 0, 0))
    font, lines = _fitted(text, template)
    match template.caption_style:
        case "bar":
            _bar(layer, lines, font, template)
        case "card":
            _card(layer, lines, font, template)
        case "line":
            _line(layer, lines, font, template)
        case "corner":
            _corner(layer, lines, font, template)
    return layer


def _fitted(text: str, template: Template) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """Return the largest font, and the lines, with which a text fits into two lines."""
    room = template.width * 0.78
    for size in range(int(min(template.width, template.height) * 0.085), 20, -2):
        font = ImageFont.truetype(str(_FONT), size)
        lines = _wrapped(text, font, room)
        if len(lines) <= 2 and all(font.getlength(line) <= room for line in lines):
            return font, lines
    font = ImageFont.truetype(str(_FONT), 22)
    return font, _wrapped(text, font, room)[:3]


def _wrapped(text: str, font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _height(font: ImageFont.FreeTypeFont, lines: list[str]) -> float:
    return len(lines) * font.size * 1.22


def _write(
    draw: ImageDraw.ImageDraw, lines: list[str], font: ImageFont.FreeTypeFont, x: float, y: float, anchor: str
) -> None:
    for number, line in enumerate(lines):
        draw.text((x, y + number * font.size * 1.22), line, _WHITE, font, anchor=anchor)


def _bar(layer: Image.Image, lines: list[str], font: ImageFont.FreeTypeFont, template: Template) -> None:
    """A lower third that grows out of the dark, with a stroke of colour beside the text."""
    width, height = layer.size
    tall = int(_height(font, lines) + height * 0.2)
    shade = Image.linear_gradient("L").resize((width, tall)).point(lambda value: int(value * 0.8))
    layer.paste(Image.new("RGBA", (width, tall), (*_SHADE, 255)), (0, height - tall), shade)
    draw = ImageDraw.Draw(layer)
    left, top = width * 0.07, height * 0.92 - _height(font, lines)
    draw.rounded_rectangle(
        (left, top + font.size * 0.1, left + font.size * 0.13, top + _height(font, lines) - font.size * 0.1),
        font.size * 0.07,
        (*template.accent, 255),
    )
    _write(draw, lines, font, left + font.size * 0.45, top, "la")


def _card(layer: Image.Image, lines: list[str], font: ImageFont.FreeTypeFont, template: Template) -> None:
    """A rounded card above the lower edge."""
    width, height = layer.size
    text_width = max(font.getlength(line) for line in lines)
    tall = _height(font, lines) + font.size * 0.9
    wide = text_width + font.size * 1.6
    left, top = (width - wide) / 2, height * 0.9 - tall
    box = (left, top, left + wide, top + tall)
    shadow = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    ImageDraw.Draw(shadow).rounded_rectangle(box, font.size * 0.5, (0, 0, 0, 150))
    layer.alpha_composite(shadow.filter(ImageFilter.GaussianBlur(font.size * 0.4)))
    draw = ImageDraw.Draw(layer)
    draw.rounded_rectangle(box, font.size * 0.5, (*_SHADE, 214))
    stroke = font.size * 1.4
    draw.rounded_rectangle(
        (width / 2 - stroke / 2, top + tall - font.size * 0.3, width / 2 + stroke / 2, top + tall - font.size * 0.2),
        font.size * 0.05,
        (*template.accent, 255),
    )
    _write(draw, lines, font, width / 2, top + font.size * 0.3, "ma")


def _line(layer: Image.Image, lines: list[str], font: ImageFont.FreeTypeFont, template: Template) -> None:
    """Text with a soft shadow over a thin line."""
    width, height = layer.size
    top = height * 0.88 - _height(font, lines)
    shadow = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    ink = ImageDraw.Draw(shadow)
    for number, line in enumerate(lines):
        ink.text((width / 2, top + number * font.size * 1.22), line, (0, 0, 0, 230), font, anchor="ma", stroke_width=3)
    layer.alpha_composite(shadow.filter(ImageFilter.GaussianBlur(font.size * 0.16)))
    draw = ImageDraw.Draw(layer)
    _write(draw, lines, font, width / 2, top, "ma")
    half = max(font.getlength(line) for line in lines) / 2
    y = top + _height(font, lines) + font.size * 0.12
    draw.line((width / 2 - half, y, width / 2 + half, y), (*template.accent, 255), max(3, int(font.size * 0.07)))


def _corner(layer: Image.Image, lines: list[str], font: ImageFont.FreeTypeFont, template: Template) -> None:
    """A slightly turned label in the corner."""
    text_width = max(font.getlength(line) for line in lines)
    label = Image.new(
        "RGBA", (int(text_width + font.size * 1.2), int(_height(font, lines) + font.size * 0.7)), (0, 0, 0, 0)
    )
    draw = ImageDraw.Draw(label)
    draw.rounded_rectangle((0, 0, label.width - 1, label.height - 1), font.size * 0.3, (*template.accent, 240))
    _write(draw, lines, font, label.width / 2, font.size * 0.3, "ma")
    turned = label.rotate(3.5, Image.Resampling.BICUBIC, expand=True)
    layer.alpha_composite(turned, (int(layer.width * 0.05), int(layer.height * 0.93 - turned.height)))
