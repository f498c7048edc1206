"""The renderer: the same order gives the same film, whatever photos and words it is given."""

import fcntl
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from ringback_video.probing import NotTheVideo, Wanted, check_video
from ringback_video.rendering.captions import draw_caption
from ringback_video.rendering.encoder import Quality, encode
from ringback_video.rendering.frames import frame_count, frames
from ringback_video.rendering.lettering import cannot_draw, fitted
from ringback_video.rendering.previews import Previews, file_names, make_missing, small
from ringback_video.settings import PHOTOS
from ringback_video.templates import GALLERY, SIZES, TEMPLATES, Template, in_format
from support.endpoint import eventually

FEW = Quality(per_second=3)
CAPTIONS = (
    "",
    "New",
    "w" * 80,
    "Eighty characters of words that a shop may write " * 2,
    "Gr\u00fc\u00dfe \u00e0 tous, \u0414\u043e\u0431\u0440\u044b\u0439",
)


def photos(*names: str) -> list[Image.Image]:
    return [Image.open(PHOTOS / f"{name}.jpg").convert("RGB") for name in names or ("coffee", "dahlia", "pavilion")]


def wanted(template: Template) -> Wanted:
    return Wanted(template.width, template.height, template.seconds)


def render(template: Template, target: Path, caption: str = "Same again") -> bytes:
    drawn = frames(photos(), template, caption, FEW.per_second)
    encode(drawn, (template.width, template.height), target, lambda _: None, FEW)
    return target.read_bytes()


@pytest.mark.parametrize("name", GALLERY)
def test_the_same_order_gives_the_same_bytes_of_the_right_size_and_length(name: str, tmp_path: Path) -> None:
    template = small(TEMPLATES[name])
    assert render(template, tmp_path / "one.mp4") == render(template, tmp_path / "two.mp4")
    check_video(tmp_path / "one.mp4", wanted(template))


def test_the_gallery_has_every_format_more_than_once() -> None:
    formats = [template.format for template in GALLERY.values()]
    assert all(formats.count(name) >= 2 for name in SIZES)
    assert all(min(t.width, t.height) >= 720 and t.width % 2 == t.height % 2 == 0 for t in TEMPLATES.values())


def test_every_template_can_be_ordered_in_every_format() -> None:
    assert len(TEMPLATES) == len(GALLERY) * len(SIZES)
    for template in GALLERY.values():
        assert in_format(template, template.format) is TEMPLATES[template.id]
        assert {in_format(template, name).format for name in SIZES} == set(SIZES)
    assert TEMPLATES["story-square"].name == "Story"


@pytest.mark.parametrize("name", GALLERY)
def test_any_number_of_photos_of_any_shape_fits(name: str) -> None:
    template = small(TEMPLATES[name])
    shapes = [(64, 64), (1200, 80), (80, 1200), (333, 777), (640, 480)] * 2
    odd = [Image.new("RGB", shape, (40 * number % 255, 90, 120)) for number, shape in enumerate(shapes)]
    for given in (odd[1:2], odd):
        drawn = list(frames(given, template, "Odd", 4))
        assert len(drawn) == frame_count(template, 4)
        assert {frame.size for frame in drawn} == {(template.width, template.height)}


@pytest.mark.parametrize("name", GALLERY)
def test_the_photos_move_and_every_one_is_seen(name: str) -> None:
    template = replace(small(TEMPLATES[name]), seconds=3.0)
    colours = [(220, 30, 30), (30, 200, 40), (40, 60, 220)]
    drawn = list(frames([Image.new("RGB", (300, 300), colour) for colour in colours], template, "", 8))
    middle = [frame.getpixel((frame.width // 2, frame.height // 2)) for frame in drawn]
    for channel, _ in enumerate(colours):
        assert any(pixel[channel] > 150 and sum(pixel) - pixel[channel] < 200 for pixel in middle)  # type: ignore[index,arg-type]
    real = list(frames(photos(), template, "", 8))
    assert all(ImageChops.difference(one, two).getbbox() for one, two in pairwise(real))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_caption_stays_inside_the_picture(name: str, caption: str) -> None:
    template = TEMPLATES[name]
    frame = Image.new("RGB", (template.width, template.height))
    draw_caption(caption, template).words.lay(frame, 1.0, 0)
    left, top, right, bottom = frame.getbbox() or (1, 1, 1, 1)
    assert left > 0
    assert top > 0
    assert right < template.width
    assert bottom < template.height


def test_words_shrink_before_they_are_broken_and_are_broken_before_they_are_cut() -> None:
    assert fitted("Two words", 1000, 1, 40).lines == ("Two words",)
    assert fitted("Wide words shrink", 200, 1, 40).size < 40
    broken = fitted("W" * 60, 300, 3, 40)
    assert "".join(broken.lines) == "W" * 60
    assert len(fitted("many words " * 40, 100, 2, 40).lines) == 2


def test_characters_without_a_glyph_are_named() -> None:
    assert cannot_draw("Caf\u00e9 \u2014 50 % off!") == ""
    assert cannot_draw("\u65b0\u5546\u54c1 \u65b0 ok \U0001f389") == "\u65b0\u5546\u54c1\U0001f389"


def test_previews_are_made_on_demand_and_kept(tmp_path: Path) -> None:
    previews = Previews(tmp_path)
    name, still = file_names(TEMPLATES["showcase"])
    assert previews.path(name) is None
    assert previews.is_known(name)
    assert not previews.is_known("showcase.mp4")
    previews.begin()
    previews.begin()
    try:
        film = eventually(lambda: previews.path(name), 100)
    finally:
        previews.close()
    check_video(film, wanted(small(TEMPLATES["showcase"])))
    with Image.open(previews.path(still) or tmp_path) as picture:
        assert picture.format == "WEBP"
    assert film.stat().st_size < 250_000
    assert Previews(tmp_path).path(name) == film


def test_two_makers_do_not_do_the_same_work(tmp_path: Path) -> None:
    with (tmp_path / ".making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_missing(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".making"]


def test_a_file_that_is_not_what_was_ordered_is_found_out(tmp_path: Path) -> None:
    template = small(TEMPLATES["story"])
    render(template, tmp_path / "film.mp4")
    right = wanted(template)
    check_video(tmp_path / "film.mp4", replace(right, width=720, height=1280, exact=False))
    for other in (
        replace(right, width=720, height=1280),
        replace(right, width=1280, height=720, exact=False),
        replace(right, seconds=right.seconds + 1),
    ):
        with pytest.raises(NotTheVideo, match="instead of"):
            check_video(tmp_path / "film.mp4", other)
    (tmp_path / "none.mp4").write_bytes(b"no film")
    with pytest.raises(NotTheVideo, match="not a video that can be played"):
        check_video(tmp_path / "none.mp4", right)
