"""The log-in form and the operator's page in a real browser: by keyboard, on a phone, in light and dark, past axe."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ringback_video import keys
from ringback_video.ordering import OrderRequest, place_order
from support.endpoint import eventually
from support.process import BrokerProcess
from video.conftest import World, world
from video.test_parking import OPERATOR, Forgetful, operator

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, broker: BrokerProcess, video: bytes) -> Iterator[World]:
    """A studio where nobody is the demo shop."""
    folder = tmp_path_factory.mktemp("closed")
    with world(folder, broker, lambda _: Forgetful(video), demo=False, operator_key=OPERATOR) as running:
        yield running


@pytest.fixture(scope="module")
def key(closed: World) -> str:
    with closed.studio.database.transaction() as session:
        return keys.add_shop(session, "flowers", 10)


@pytest.fixture(params=[("light", 360), ("dark", 360), ("light", 1280)], ids=str)
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    scheme, width = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, reduced_motion="reduce", has_touch=width < 500
    )
    yield context.new_page()
    context.close()


def check(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = "[...document.querySelectorAll('main input, main button')].filter((one) => one.offsetHeight < 44).length"
    assert page.evaluate(small) == 0  # large enough for a finger


def test_a_shop_logs_in_and_out_by_keyboard_alone(closed: World, key: str, page: Page) -> None:
    page.goto(closed.url)
    expect(page).to_have_url(f"{closed.url}/login")
    field = page.get_by_label("Your shop's key")
    expect(field).to_be_focused()
    check(page)
    page.keyboard.press("Enter")  # an empty key is asked for, not sent
    expect(page).to_have_url(f"{closed.url}/login")
    page.keyboard.type("vs_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This key is not known, or has ended.")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    check(page)
    page.keyboard.type(key)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Log in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-shop", "flowers")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Log out":
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{closed.url}/login")
    assert page.goto(f"{closed.url}/").url.endswith("/login")  # type: ignore[union-attr]


def parked(closed: World, caption: str) -> str:
    """Order a video whose order may have been taken."""
    request = OrderRequest("flowers", "runway", closed.sample("coffee"), caption)
    job_id = place_order(closed.studio, request).id
    eventually(lambda: job_id in {one["jobId"] for one in operator(closed, "GET").json()})
    return job_id


def test_the_operator_decides_on_a_page(closed: World, key: str, page: Page) -> None:
    made, dropped = (parked(closed, f"{what} {page.viewport_size}") for what in ("made", "dropped"))
    shop = {"Authorization": f"Bearer {key}"}
    page.goto(f"{closed.url}/operator")
    page.keyboard.type("not the key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not the operator's key.")
    check(page)
    page.keyboard.type(OPERATOR)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Was it ordered?")).to_be_visible()
    check(page)
    first, second = (page.locator("section", has_text=job_id) for job_id in (made, dropped))
    first.get_by_label("It is there, as operation").fill(made)
    first.get_by_role("button", name="It was made").click()
    expect(first).to_have_count(0)
    second.get_by_role("button", name="give up").click()
    expect(page.get_by_text("There is nothing to decide about.")).to_be_visible()
    eventually(lambda: closed.http.get(f"/api/jobs/{made}", headers=shop).json()["status"] == "done", 60)
    assert closed.http.get(f"/api/jobs/{dropped}", headers=shop).json()["status"] == "failed"
    page.context.clear_cookies()
    again = page.request.post(
        f"{closed.url}/operator/{made}", form={"decision": "give up"}, headers={"Origin": closed.url}
    )
    assert "<title>Operator" in again.text()  # it asks to log in
    elsewhere = page.request.post(f"{closed.url}/operator/{made}", form={"decision": "give up"})
    assert elsewhere.status == 403
