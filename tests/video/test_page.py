"""The page in a real browser: a film is ordered, watched and found again, by mouse, by keyboard and on a phone."""

import fcntl
import io
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete, select, update

from ringback_video.jobs import Change, Job
from ringback_video.rendering.previews import file_names
from ringback_video.studio import DEMO_SHOP
from ringback_video.tables import now
from ringback_video.templates import TEMPLATES
from support.endpoint import eventually
from video.conftest import World

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts may not fail, and which may ask nobody but the studio."""
    context = browser.new_context(reduced_motion="reduce")
    opened = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    origin = opened.evaluate("location.origin")
    context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith((origin, "blob:", "data:"))] == []


def photo(name: str, side: int = 200) -> dict[str, object]:
    data = io.BytesIO()
    Image.new("RGB", (side, side), (200, 120, 40)).save(data, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": data.getvalue()}


def open_with_samples(page: Page, studio: World) -> None:
    page.goto(studio.url)
    page.get_by_role("button", name="Use our samples").click()
    expect(page.locator("#photos li")).to_have_count(3)


def names(page: Page) -> list[str]:
    return [str(image.get_attribute("alt")) for image in page.locator("#photos img").all()]


def test_a_film_is_ordered_watched_and_played_without_reloading(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    page.get_by_role("radio", name="Runway").check(force=True)
    page.get_by_label("Caption", exact=True).fill("From the browser")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#doing")).not_to_have_text("", timeout=10_000)
    expect(page.locator("#video")).to_be_visible(timeout=60_000)
    eventually(lambda: page.evaluate("document.querySelector('#video').currentTime > 0.2"))
    assert page.evaluate("document.querySelector('#video').videoHeight") == 1280
    expect(page.locator("#told")).to_have_text("Runway, portrait: “From the browser”")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download MP4").click()
    assert saved.value.suggested_filename.endswith(".mp4")
    expect(page.locator("#history")).to_contain_text("From the browser")
    page.reload()
    page.get_by_role("button", name="Watch Runway: “From the browser”").first.click()
    expect(page.locator("#video")).to_be_visible()
    page.get_by_text("What happened").first.click()
    expect(page.locator("#history details").first).to_contain_text("ordered")
    _no_serious_fault(page)


def test_the_description_of_the_api_is_read_without_asking_anybody_else(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.get_by_role("link", name="an open API").click()
    expect(page.locator("#swagger-ui")).to_contain_text("/api/generate")


def test_the_format_is_chosen_apart_from_the_template(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    expect(page.get_by_role("radio", name="Landscape")).to_be_checked()
    page.get_by_role("radio", name="Story").check(force=True)
    expect(page.get_by_role("radio", name="Portrait")).to_be_checked()
    page.get_by_role("radio", name="Square").check(force=True)
    expect(page.locator("#sum")).to_have_text("Story, square, 3 photos")
    with page.expect_request("**/api/generate") as sent:
        page.get_by_role("button", name="Generate video").click()
    assert sent.value.post_data_json["templateId"] == "story-square"
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#reason")).to_contain_text("Canceled by the shop", timeout=20_000)


def test_a_job_is_canceled_tried_again_and_followed_after_a_reload(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    page.get_by_role("radio", name="Runway").check(force=True)
    page.get_by_label("Caption", exact=True).fill("Changed my mind")
    page.get_by_role("button", name="Generate video").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#reason")).to_contain_text("Canceled by the shop", timeout=20_000)
    page.locator("#again").click()
    expect(page.locator("#working")).to_be_visible()
    page.reload()
    expect(page.locator("#working")).to_be_visible()
    expect(page.locator("#video")).to_be_visible(timeout=60_000)


def test_a_job_that_fails_shows_why(studio: World, page: Page) -> None:
    studio.finished(studio.order([f"{studio.url}/photos/none.jpg"], caption="Not to be had").json()["jobId"])
    page.goto(studio.url)
    film = page.locator(".film", has_text="Not to be had")
    expect(film).to_contain_text("could not be fetched")
    film.get_by_role("button", name="Try again").click()
    expect(page.locator("#reason")).to_contain_text("could not be fetched", timeout=30_000)
    expect(page.locator("#again")).to_be_visible()


def test_own_photos_are_sent_and_a_file_that_is_none_is_refused(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.locator("#files").set_input_files([photo("cup.png"), photo("plate.png")])  # type: ignore[list-item]
    expect(page.locator("#photos li:not(.sending)")).to_have_count(2)
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.locator("#files").set_input_files([broken])  # type: ignore[list-item]
    expect(page.locator("#problem")).to_contain_text("broken.png: The photo is not a picture we can read")
    expect(page.locator("#photos li")).to_have_count(2)
    expect(page.locator("#files")).to_have_attribute("aria-invalid", "true")


def test_of_many_files_each_that_cannot_be_used_is_named(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.locator("#files").set_input_files(
        [
            photo("cup.png"),  # type: ignore[list-item]
            {"name": "one.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"},
            {"name": "empty.jpg", "mimeType": "image/jpeg", "buffer": b""},
            {"name": "list.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"},
        ]
    )
    expect(page.locator("#photos li:not(.sending)")).to_have_count(1)
    for name in ("one.jpg: The photo is not", "empty.jpg: The photo is not", "list.pdf is no photo"):
        expect(page.locator("#problem")).to_contain_text(name)
    page.locator("#files").set_input_files([photo(f"{number}.png") for number in range(12)])  # type: ignore[misc]
    expect(page.locator("#problem")).to_have_text("At most 10 photos fit into one film: 3 were left out.")


def test_a_large_picture_that_was_cut_out_is_sent_on_white(studio: World, page: Page) -> None:
    picture = Image.new("RGBA", (2000, 2000), (0, 0, 0, 0))
    picture.paste(Image.effect_noise((1800, 1800), 120).convert("RGBA"), (100, 100))
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1)
    assert len(data.getvalue()) > 3_500_000
    page.goto(studio.url)
    with page.expect_response("**/api/uploads") as answered:
        page.locator("#files").set_input_files(
            [{"name": "vase.png", "mimeType": "image/png", "buffer": data.getvalue()}]
        )
    kept = studio.http.get(answered.value.json()["url"], follow_redirects=True).content
    assert min(Image.open(io.BytesIO(kept)).convert("RGB").getpixel((3, 3))) > 245  # type: ignore[type-var]


def test_a_large_photo_is_made_smaller_before_it_is_sent(studio: World, page: Page) -> None:
    noise = Image.effect_noise((2600, 2600), 90)
    data = io.BytesIO()
    noise.save(data, "PNG")
    assert len(data.getvalue()) > 3_500_000
    page.goto(studio.url)
    with page.expect_request("**/api/uploads") as sent:
        page.locator("#files").set_input_files(
            [{"name": "large.png", "mimeType": "image/png", "buffer": data.getvalue()}]
        )
    expect(page.locator("#photos li:not(.sending)")).to_have_count(1, timeout=20_000)
    body = sent.value.post_data_buffer
    assert body is None or len(body) < len(data.getvalue())


def test_photos_are_put_in_order_by_keyboard_and_the_focus_stays_with_them(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    assert names(page) == ["Coffee", "Dahlia", "Pavilion"]
    page.get_by_role("button", name="Move Pavilion earlier").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert names(page) == ["Pavilion", "Coffee", "Dahlia"]
    expect(page.locator("#live")).to_have_text("Pavilion is now photo 1 of 3.")
    expect(page.get_by_role("button", name="Remove Pavilion")).to_be_focused()
    page.keyboard.press("Enter")
    assert names(page) == ["Coffee", "Dahlia"]
    expect(page.get_by_role("button", name="Remove Coffee")).to_be_focused()


def test_photos_are_put_in_order_by_dragging(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    page.locator("#photos li").nth(0).drag_to(page.locator("#photos li").nth(2))
    assert names(page) == ["Dahlia", "Pavilion", "Coffee"]


def test_an_order_without_photos_says_what_is_missing(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#problem")).to_contain_text("at least one photo")
    expect(page.locator("#files")).to_be_focused()


def test_a_caption_that_is_refused_is_marked(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    page.get_by_label("Caption", exact=True).fill("\u65b0\u5546\u54c1")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#problem")).to_contain_text("no letters for")
    expect(page.locator("#caption")).to_be_focused()
    expect(page.locator("#caption")).to_have_attribute("aria-invalid", "true")


def test_a_field_that_is_complained_about_is_not_covered_on_a_phone(studio: World, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page = context.new_page()
    open_with_samples(page, studio)
    page.get_by_label("Caption", exact=True).fill("".join(map(chr, range(0x4E00, 0x4E28))))
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text("no letters for")
    bottom, top = (
        page.evaluate(f"document.querySelector('{which}').getBoundingClientRect().{side}")
        for which, side in (("#caption", "bottom"), (".go", "top"))
    )
    assert bottom <= top
    context.close()


def written(studio: World, name: str, status: str = "done", minute: int = 0, video: str = "none.mp4") -> None:
    """Write down a film of yesterday."""
    at = now() - timedelta(days=1, minutes=minute)
    job = Job(
        id=str(uuid.uuid4()),
        shop_id=DEMO_SHOP,
        template_id="showcase",
        caption=name,
        source_image_urls=[f"{studio.url}/photos/coffee.jpg"],
        status=status,
        video=video if status == "done" else None,
        fingerprint="",
        created_at=at,
        updated_at=at,
    )
    with studio.studio.database.transaction() as session:
        session.add(job)


@pytest.fixture
def cleared(studio: World) -> Iterator[None]:
    """Take away what tests have written down: pages follow what is under way."""
    yield
    with studio.studio.database.transaction() as session:
        ours = select(Job.id).where(Job.fingerprint == "")
        session.execute(delete(Change).where(Change.job_id.in_(ours)))
        session.execute(delete(Job).where(Job.id.in_(ours)))


@pytest.mark.usefixtures("cleared")
def test_films_that_are_made_meanwhile_change_in_the_list_and_what_is_watched_stays(studio: World, page: Page) -> None:
    written(studio, "watched")
    for name in ("followed", "meanwhile"):
        written(studio, name, "processing")
    page.goto(studio.url)
    expect(page.locator("#working")).to_be_visible()
    film = page.locator(".film", has_text="meanwhile")
    film.get_by_text("What happened").click()
    page.get_by_role("button", name="Watch Showcase: “watched”").click()
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    with studio.studio.database.transaction() as session:
        session.execute(update(Job).where(Job.fingerprint == "").values(status="done", video="none.mp4"))
    expect(film).to_contain_text("Finished", timeout=20_000)
    expect(film.locator("details")).to_have_attribute("open", "")
    page.get_by_role("button", name="Share link").click()
    expect(page.locator("#told")).to_have_text("The link is in the clipboard.")
    assert page.evaluate("window.copied") == f"{studio.url}/videos/none.mp4"


@pytest.mark.usefixtures("cleared")
def test_older_films_are_shown_too_and_nothing_covers_their_buttons(studio: World, page: Page) -> None:
    for minute in range(60):
        written(studio, f"older-{minute}", minute=minute)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(studio.url)
    expect(page.locator(".film")).to_have_count(50)
    page.get_by_role("button", name="Older films").click()
    expect(page.locator(".film", has_text="older-59")).to_be_visible()
    covered = page.get_by_role("button", name="Watch Showcase: “older-20”")
    page.evaluate("(at) => scrollBy(0, at - 200)", covered.bounding_box()["y"])  # type: ignore[index]
    covered.click(timeout=5000)
    expect(page.locator("#told")).to_have_text("Showcase, landscape: “older-20”")


@pytest.mark.usefixtures("cleared")
def test_a_studio_that_is_known_by_two_names_shows_its_films_under_both(
    studio: World, page: Page, video: bytes, tmp_path: Path
) -> None:
    (tmp_path / "film").write_bytes(video)
    written(studio, "names", video=studio.studio.videos.keep(tmp_path / "film", ".mp4", "video/mp4"))
    page.goto(studio.url.replace("127.0.0.1", "localhost"))
    page.get_by_role("button", name="Watch Showcase: “names”").click()
    eventually(lambda: page.evaluate("document.querySelector('#video').videoHeight > 0"))


@pytest.mark.usefixtures("cleared")
def test_who_follows_a_film_hears_that_the_studio_is_away(studio: World, page: Page) -> None:
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } })")
    page.route("**/events", lambda route: route.fulfill(status=502))
    page.route("**/api/jobs/*", lambda route: route.abort())
    written(studio, "away", "processing")
    page.goto(studio.url)
    expect(page.locator("#doing")).to_contain_text("does not answer just now", timeout=20_000)
    page.unroute("**/api/jobs/*")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#reason")).to_contain_text("Canceled by the shop", timeout=20_000)


def test_who_is_logged_out_meanwhile_is_told_how_to_go_on(studio: World, page: Page) -> None:
    open_with_samples(page, studio)
    page.route("**/api/generate", lambda route: route.fulfill(status=401, json={"detail": "Send your shop's key."}))
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#problem")).to_contain_text("Log in again in another tab")


def test_a_film_is_ordered_by_keyboard_alone(studio: World, page: Page) -> None:
    page.goto(studio.url)
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id || document.activeElement.name || ''")
        reached.append(name)
        if name == "template":
            page.keyboard.press("ArrowRight")
        if name == "all-samples":
            page.keyboard.press("Enter")
        if name == "caption":
            page.keyboard.type("By keyboard")
        if name == "generate":
            page.keyboard.press("Enter")
            break
    assert reached[-1] == "generate"
    assert "files" in reached
    assert "format" in reached
    expect(page.locator("#result-title")).to_be_focused()
    expect(page.locator("#result-title")).to_have_text("Your film is on its way")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#reason")).not_to_be_empty(timeout=20_000)


def test_previews_move_and_can_be_paused(studio: World, browser: Browser) -> None:
    context = browser.new_context(reduced_motion="no-preference")
    page = context.new_page()
    page.goto(studio.url)
    moving = "document.querySelectorAll('.template video.moving').length"
    eventually(lambda: page.evaluate(f"{moving} >= 3"), 60)
    page.get_by_role("button", name="Pause previews").click()
    eventually(lambda: page.evaluate("[...document.querySelectorAll('.template video')].every((film) => film.paused)"))
    context.close()


def test_a_preview_that_is_not_made_yet_is_not_asked_for_and_comes_by_itself(
    studio: World, browser: Browser, video: bytes
) -> None:
    folder = studio.studio.settings.data / "previews"
    folder.mkdir(exist_ok=True)
    film, still = (folder / name for name in file_names(TEMPLATES["story"]))
    before = [path.read_bytes() if path.exists() else None for path in (film, still)]
    context = browser.new_context(reduced_motion="no-preference")
    page = context.new_page()
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    with (folder / ".making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody else makes them meanwhile
        for path in (film, still):
            path.unlink(missing_ok=True)
        page.goto(studio.url)
        page.get_by_role("radio", name="Story").check(force=True)
        picture = page.locator(".template", has_text="Story").locator(".still")
        expect(picture).to_be_hidden()
        Image.new("RGB", (90, 160), (200, 120, 40)).save(still, "WEBP")
        expect(picture).to_be_visible(timeout=20_000)
        film.write_bytes(video)
        eventually(lambda: page.evaluate("document.querySelector('#sample').currentTime > 0"), 30)
        for path, data in zip((film, still), before, strict=True):
            path.write_bytes(data) if data else path.unlink()
    context.close()
    assert [url for url in refused if "/previews" in url] == []


def test_previews_stand_still_for_who_asked_for_less_motion(studio: World, page: Page) -> None:
    page.goto(studio.url)
    expect(page.get_by_role("button", name="Pause previews")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("[...document.querySelectorAll('.template video')].every((film) => film.paused)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    studio: World, browser: Browser, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    open_with_samples(page, studio)
    page.get_by_label("Caption", exact=True).fill("W" * 80)
    page.get_by_role("button", name="Use our samples").click()
    expect(page.locator("#usage")).to_contain_text("films used")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    _no_serious_fault(page)
    context.close()


def _no_serious_fault(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
