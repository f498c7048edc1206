"""Photos as customers have them: what is kept of each looks as it did on their screen."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from ringback_video import photos
from ringback_video.photos import prepare

RED = (220, 60, 60)
WHITE = (255, 255, 255)


def file(picture: Image.Image, kind: str, **more: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **more)
    return data.getvalue()


def kept(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(prepare(data, "The photo"))).convert("RGB")


def is_close(found: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) <= 6 for one, other in zip(found, wanted, strict=True))


def cut_out() -> Image.Image:
    """A product that was cut out: what is around it is nothing, painted black by the program that did it."""
    picture = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    picture.paste((*RED, 255), (50, 50, 150, 150))
    return picture


@pytest.mark.parametrize(
    "data",
    [
        file(cut_out(), "PNG"),
        file(cut_out().quantize(16), "PNG"),
        file(cut_out().resize((3000, 3000)), "PNG"),
        file(cut_out(), "WEBP", lossless=True),
    ],
    ids=["png", "palette", "large", "webp"],
)
def test_what_shines_through_becomes_white(data: bytes) -> None:
    picture = kept(data)
    assert is_close(picture.getpixel((2, 2)), WHITE)
    assert is_close(picture.getpixel((picture.width // 2, picture.height // 2)), RED)


def test_a_scan_in_sixteen_bits_keeps_its_greys() -> None:
    assert is_close(kept(file(Image.new("I;16", (80, 80), 120 * 256), "PNG")).getpixel((40, 40)), (120, 120, 120))


def test_a_phone_held_upright_gives_an_upright_photo() -> None:
    lying = Image.new("RGB", (300, 200), WHITE)
    lying.paste(RED, (0, 0, 40, 40))  # its top left, which is the top right when it is held upright
    told = lying.getexif()
    told[0x0112] = 6
    picture = kept(file(lying, "JPEG", exif=told.tobytes(), quality=95))
    assert picture.size == (200, 300)
    assert is_close(picture.getpixel((180, 20)), RED)
    assert is_close(picture.getpixel((20, 20)), WHITE)


def test_one_photo_of_very_many_pixels_is_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file may hold a hundred million: some of them at once would take all memory there is."""
    out = io.BytesIO()
    Image.new("L", (5000, 4000), 200).save(out, "PNG")
    inside, two, most = 0, threading.Event(), 0
    real: Any = vars(photos)["_coloured"]

    def coloured(photo: Image.Image) -> Image.Image:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside > 1:
            two.set()
        two.wait(0.3)
        inside -= 1
        made: Image.Image = real(photo)
        return made

    monkeypatch.setattr(photos, "_coloured", coloured)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(prepare, [out.getvalue()] * 2, ["The photo"] * 2))
    assert most == 1
    assert made[0] == made[1]
    assert Image.open(io.BytesIO(made[0])).size == (2400, 1920)
