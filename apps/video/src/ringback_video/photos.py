"""Photos as customers give them: fetched, checked by decoding, and made fit for rendering."""

import io
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx
from PIL import Image, ImageOps

MOST_PHOTOS = 10
MOST_BYTES = 15 * 1024 * 1024
SMALLEST_SIDE = 64
LARGEST_SIDE = 10_000
_WORKING_SIDE = 2400
_FORMATS = ("JPEG", "PNG", "WEBP")
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)


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
    if not allow_private:
        _check_address(url)
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as response:
            if response.status_code >= 500 or response.status_code == 429:
                raise PhotoUnreachable(
                    f"The photo at {url} could not be fetched: its server answered {response.status_code}."
                )
            if response.status_code != 200:
                raise PhotoRefused(
                    f"The photo at {url} could not be fetched: its server answered {response.status_code}."
                )
            return _read(response, url)
    except httpx.HTTPError as error:
        raise PhotoUnreachable(f"The photo at {url} could not be fetched: {error or type(error).__name__}.") from error
    except httpx.InvalidURL as error:
        raise PhotoRefused(f"The photo address {url} is not valid.") from error


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
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, PhotoRefused):
            raise
        raise PhotoRefused(f"{name} is not a picture we can read; use JPEG, PNG or WebP.") from error
    upright.thumbnail((_WORKING_SIDE, _WORKING_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=92)
    return out.getvalue()


def _check_size(photo: Image.Image, name: str) -> None:
    width, height = photo.size
    if min(width, height) < SMALLEST_SIDE:
        raise PhotoRefused(f"{name} is {width} x {height} pixels; each side must have at least {SMALLEST_SIDE}.")
    if max(width, height) > LARGEST_SIDE:
        raise PhotoRefused(f"{name} is {width} x {height} pixels; each side may have at most {LARGEST_SIDE}.")


def _read(response: httpx.Response, url: str) -> bytes:
    data = bytearray()
    for part in response.iter_bytes():
        data += part
        if len(data) > MOST_BYTES:
            raise PhotoRefused(f"The photo at {url} is larger than {MOST_BYTES // 1024 // 1024} MB.")
    return bytes(data)


def _check_address(url: str) -> None:
    """Nobody may use Studio to reach what only Studio's network can reach."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PhotoRefused(f"The photo address {url} is not an http or https address.")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PhotoUnreachable(f"The photo at {url} could not be fetched: its host is not known.") from error
    for entry in found:
        if not ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global:
            raise PhotoRefused(f"The photo at {url} is at an address we may not fetch from.")
