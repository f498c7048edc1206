"""What we ask a generating provider for: words, a picture, a shape and a length."""

import io
from base64 import b64encode

from PIL import Image

from ringback_video.probing import Wanted
from ringback_video.providers.contract import Capabilities, Refused
from ringback_video.rendering.operation import Order
from ringback_video.templates import TEMPLATES, Format, Motion, Template

ASPECT: dict[Format, str] = {"landscape": "16:9", "square": "1:1", "portrait": "9:16"}
_LONG_SIDE = 1280
_MOVES: dict[Motion, str] = {
    "push": "the camera moves slowly closer",
    "pull": "the camera draws slowly back",
    "pan": "the camera glides slowly sideways",
    "drift": "the camera drifts gently",
}


def wanted(order: Order, capabilities: Capabilities) -> Template:
    """Return the template of an order.

    Raises:
        Refused: the provider does not make this format.
    """
    template = TEMPLATES[order.template_id]
    if template.format not in capabilities.formats:
        makes = " or ".join(sorted(capabilities.formats))
        raise Refused(f"{capabilities.name} makes {makes} videos, not {template.format} ones.")
    return template


def prompt(template: Template, caption: str) -> str:
    """Return the words for a template; the product is to stay as it is, and nobody is to be invented."""
    return (
        f"A calm product film for a shop, made from the given photo: {_MOVES[template.motion]}. "
        "Keep everything in the photo exactly as it looks, its colours and lettering too. "
        f"No people, no added text, no logos, no music. The mood: {caption}"
    )


def seconds(template: Template, capabilities: Capabilities) -> int:
    """Return the length nearest to the template's that the provider makes, in seconds."""
    return min(capabilities.seconds, key=lambda length: abs(length - template.seconds))


def wanted_video(capabilities: Capabilities, template: Template) -> Wanted:
    """Return what the finished file of a template should be; others than our own renderer choose the pixels themselves."""
    length = seconds(template, capabilities) if capabilities.seconds else template.seconds
    return Wanted(template.width, template.height, length, exact=capabilities.exact)


def picture(photo: bytes) -> bytes:
    """Return a photo as a JPEG small enough to be sent inside a request, which is far below 1 MB."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    image.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def data_uri(photo: bytes) -> str:
    """Return a photo as an address that contains it."""
    return f"data:image/jpeg;base64,{b64encode(picture(photo)).decode()}"
