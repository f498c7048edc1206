"""The page in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from support.chromium import FLAGS, executable
from video.conftest import World

pytestmark = pytest.mark.browser


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        opened = browser.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        yield opened
        browser.close()
        assert problems == []


def test_a_video_is_ordered_watched_and_played_without_reloading(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.get_by_role("radio", name="Runway").check(force=True)
    page.get_by_label("What stands in the picture").fill("From the browser")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#doing")).not_to_have_text("", timeout=10_000)
    expect(page.locator("#video")).to_be_visible(timeout=60_000)
    page.wait_for_function("document.querySelector('#video').currentTime > 0.2")
    assert page.evaluate("document.querySelector('#video').videoHeight") == 1280
    expect(page.get_by_role("link", name="Download MP4")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("From the browser")


def test_a_job_that_fails_shows_why(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.evaluate("chosen = [{url: `${location.origin}/photos/none.jpg`, name: 'none'}]; show()")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#reason")).to_contain_text("could not be fetched", timeout=30_000)
    expect(page.get_by_role("button", name="Generate video")).to_be_enabled()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_job_is_canceled_and_tried_again_from_the_page(studio: World, page: Page) -> None:
    page.goto(studio.url)
    page.get_by_label("What stands in the picture").fill("Changed my mind")
    page.get_by_role("button", name="Generate video").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#reason")).to_contain_text("Canceled by the shop", timeout=20_000)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#video")).to_be_visible(timeout=60_000)


def test_an_order_without_photos_says_what_is_missing(studio: World, page: Page) -> None:
    page.goto(studio.url)
    for name in ("Coffee", "Dahlia", "Pavilion"):
        page.get_by_role("button", name=f"Remove {name}").click()
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("alert").first).to_contain_text("1 to 10 photos")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(studio: World, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(studio.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_can_be_reached_by_keyboard(studio: World, page: Page) -> None:
    page.goto(studio.url)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    assert {"template", "caption", "generate", "files"} <= reached
