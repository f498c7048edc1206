"""Photos as customers give them: fetched, checked by decoding, and made fit for rendering."""

import io
from contextlib import nullcontext
from threading import Lock

import httpx
from PIL import Image, ImageOps

from ringback.guard import Policy
from ringback_video.fetching import AddressRefused, TooMuch, fetch_bytes

MOST_PHOTOS = 10
MOST_BYTES = 15 * 1024 * 1024
SMALLEST_SIDE = 64
LARGEST_SIDE = 10_000
_WORKING_SIDE = 2400
_MANY_PIXELS = 16_000_000
_ALONE = Lock()
"""Held while many pixels are in memory: small files may have a hundred million, which take more than a gigabyte."""
_FORMATS = ("JPEG", "PNG", "WEBP")


class PhotoRefused(ValueError):
    """A photo cannot be used; the text says why, for the customer."""


class PhotoUnreachable(Exception):
    """A photo could not be fetched just now; trying again may help."""


def fetch(url: str, *, allow_private: bool) -> bytes:
    """Fetch a photo.

    Raises:
        PhotoRefused: it is not there, too large, or at an address that may not be fetched from.
        PhotoUnreachable: the server did not answer, or is in trouble.
    """
    try:
        status, body = fetch_bytes(url, MOST_BYTES, Policy(allow_private=allow_private))
    except AddressRefused as error:
        raise PhotoRefused(f"The photo at {url} is at an address we may not fetch from.") from error
    except TooMuch as error:
        raise PhotoRefused(f"The photo at {url} is larger than {MOST_BYTES // 1024 // 1024} MB.") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise PhotoRefused(f"The photo address {url} is not a valid http or https address.") from error
    except httpx.TooManyRedirects as error:
        raise PhotoRefused(
            f"The photo at {url} could not be fetched: its server leads from one address to the next."
        ) from error
    except httpx.HTTPError as error:
        raise PhotoUnreachable(f"The photo at {url} could not be fetched: {error or type(error).__name__}.") from error
    if status == 200:
        return body
    told = f"The photo at {url} could not be fetched: its server answered {status}."
    raise PhotoUnreachable(told) if status >= 500 or status in (408, 429) else PhotoRefused(told)


def prepare(data: bytes, name: str) -> bytes:
    """Return a photo as a JPEG of working size, upright, without the metadata it came with.

    Raises:
        PhotoRefused: it is not a picture, or too small, or too large.
    """
    if len(data) > MOST_BYTES:
        raise PhotoRefused(f"{name} is larger than {MOST_BYTES // 1024 // 1024} MB.")
    try:
        photo = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_size(photo, name)
        photo.draft("RGB", (_WORKING_SIDE, _WORKING_SIDE))
        with _ALONE if photo.width * photo.height > _MANY_PIXELS else nullcontext():
            upright = _coloured(ImageOps.exif_transpose(photo))
            photo.close()
            upright.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, PhotoRefused):
            raise
        raise PhotoRefused(f"{name} is not a picture we can read; use JPEG, PNG or WebP.") from error
    out = io.BytesIO()
    _on_paper(upright).save(out, "JPEG", quality=92)
    return out.getvalue()


def _coloured(photo: Image.Image) -> Image.Image:
    """Return a picture in colours of eight bits, and with what shines through if anything does."""
    if photo.mode.startswith("I"):  # grey of sixteen bits, of which a plain conversion cuts off all that is above 255
        photo = photo.convert("I").point(lambda value: value / 256).convert("L")
    return photo.convert("RGBA" if photo.has_transparency_data else "RGB")


def _on_paper(picture: Image.Image) -> Image.Image:
    """Put white behind what shines through, as the page does; a JPEG would show whatever colour was left there."""
    if picture.mode != "RGBA":
        return picture
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")


def _check_size(photo: Image.Image, name: str) -> None:
    width, height = photo.size
    if min(width, height) < SMALLEST_SIDE:
        raise PhotoRefused(f"{name} is {width} x {height} pixels; each side must have at least {SMALLEST_SIDE}.")
    if max(width, height) > LARGEST_SIDE:
        raise PhotoRefused(f"{name} is {width} x {height} pixels; each side may have at most {LARGEST_SIDE}.")
