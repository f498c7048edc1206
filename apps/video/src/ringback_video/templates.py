"""The templates a shop chooses from: format, movement, transition and caption of a video, as data."""

from dataclasses import dataclass
from typing import Literal

Motion = Literal["push", "pull", "pan", "drift"]
Transition = Literal["fade", "slide", "wipe", "zoom"]
CaptionStyle = Literal["bar", "card", "line", "corner"]
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
        accent: colour of the caption's ornament.
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

    @property
    def format(self) -> str:
        """`landscape`, `square` or `portrait`."""
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"


TEMPLATES: dict[str, Template] = {
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
            "spotlight", "Spotlight", "Square, close to the product, for feeds",
            1080, 1080, 5.0, "pull", "zoom", "Made with care", "card", (246, 196, 69),
        ),
        Template(
            "postcard", "Postcard", "Square and light-hearted, with a stamp in the corner",
            1080, 1080, 6.0, "drift", "wipe", "Greetings from us", "corner", (236, 92, 128),
        ),
        Template(
            "story", "Story", "Upright, for phones and stories",
            720, 1280, 6.0, "push", "fade", "Today's favourite", "card", (122, 140, 255),
        ),
        Template(
            "runway", "Runway", "Upright and quick, one look after the other",
            720, 1280, 4.5, "drift", "slide", "Fresh arrivals", "bar", (120, 214, 110),
        ),
    )
}  # fmt: skip
"""All templates by id, in the order of the gallery."""
