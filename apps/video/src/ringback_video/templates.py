"""The templates a shop chooses from: format, movement, transition and caption of a video, as data."""

from dataclasses import dataclass, replace
from typing import Literal

Motion = Literal["push", "pull", "pan", "drift"]
Transition = Literal["fade", "slide", "wipe", "zoom", "drop"]
CaptionStyle = Literal["bar", "card", "line", "corner", "panel"]
Layout = Literal["full", "framed", "panel", "prints"]
Format = Literal["landscape", "square", "portrait"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Template:
    """How a video looks.

    Attributes:
        id: what the API calls it.
        name, description: for people.
        width, height: in pixels; the short side is at least 720.
        seconds: length of the whole video.
        motion: how each photo moves.
        transition: how one photo gives way to the next.
        caption: what stands in the picture unless the job brings its own.
        caption_style: where and how it stands.
        accent: colour of the caption's ornament, and of a panel.
        layout: what the photos do in the picture: fill it, lie whole over a blurred ground, stand beside a panel of colour,
            or fall onto a table as prints.
    """

    id: str
    name: str
    description: str
    width: int
    height: int
    seconds: float
    motion: Motion
    transition: Transition
    caption: str
    caption_style: CaptionStyle
    accent: Colour
    layout: Layout = "full"

    @property
    def format(self) -> Format:
        """Shape of the picture."""
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"


SIZES: dict[Format, tuple[int, int]] = {"landscape": (1280, 720), "square": (1080, 1080), "portrait": (720, 1280)}
"""Width and height of each format in pixels."""

GALLERY: dict[str, Template] = {
    template.id: template
    for template in (
        Template(
            "showcase", "Showcase", "Wide and calm, for the top of a shop page",
            1280, 720, 6.0, "push", "fade", "New in our shop", "bar", (255, 122, 69),
        ),
        Template(
            "travelling", "Travelling", "A slow camera walk from picture to picture",
            1280, 720, 7.0, "pan", "slide", "Come and see", "line", (80, 200, 190),
        ),
        Template(
            "headline", "Headline", "Your words large beside your pictures, for offers",
            1280, 720, 6.0, "push", "wipe", "Now twenty per cent off", "panel", (255, 196, 61), "panel",
        ),
        Template(
            "spotlight", "Spotlight", "Square, close to the product, for feeds",
            1080, 1080, 5.0, "pull", "zoom", "Made with care", "card", (246, 196, 69),
        ),
        Template(
            "postcard", "Postcard", "Prints that fall onto the table, one by one",
            1080, 1080, 6.5, "push", "drop", "Greetings from us", "corner", (206, 52, 96), "prints",
        ),
        Template(
            "story", "Story", "Upright, for phones and stories",
            720, 1280, 6.0, "push", "fade", "Today's favourite", "card", (122, 140, 255),
        ),
        Template(
            "runway", "Runway", "Upright and quick, one look after the other",
            720, 1280, 4.5, "drift", "slide", "Fresh arrivals", "bar", (120, 214, 110),
        ),
        Template(
            "lookbook", "Lookbook", "Upright, every photo whole, nothing cut off",
            720, 1280, 7.0, "push", "fade", "The new collection", "line", (255, 160, 122), "framed",
        ),
    )
}  # fmt: skip
"""The templates by id, in the order of the gallery, each in the format that it was made for."""


def in_format(template: Template, name: Format) -> Template:
    """Return a template of the gallery in a format; in another than its own its id ends with the name of the format."""
    if template.format == name:
        return template
    width, height = SIZES[name]
    return replace(template, id=f"{template.id}-{name}", width=width, height=height)


TEMPLATES: dict[str, Template] = {
    variant.id: variant for template in GALLERY.values() for variant in (in_format(template, name) for name in SIZES)
}
"""Everything that can be ordered, by id: each template of the gallery in every format."""
