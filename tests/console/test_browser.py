"""The console as people use it: a real broker, a real Chromium."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import running

pytestmark = pytest.mark.browser
PATIENCE = 20_000
LONG = "very-long-segment-" * 30


@dataclass
class World:
    """A broker with something of everything in it."""

    url: str
    api: httpx.Client
    endpoint: Endpoint
    ids: dict[str, str]

    def publish(self, path: str, body: bytes = b"{}", **headers: str) -> str:
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.api.post(f"/v2/publish/{self.endpoint.url}{path}", content=body, headers=lines)
        return str(answer.raise_for_status().json()["messageId"])

    def pages(self) -> list[str]:
        about = [
            f"/messages/{self.ids['failed']}",
            f"/messages/{self.ids['long']}",
            f"/runs/{self.ids['run']}",
            "/queues/invoices",
            "/flow/renders",
            "/schedules/daily",
            "/groups/partners",
        ]
        lists = (
            "/ /messages /events /runs /dead-letters /dead-letters/runs /queues /flow /schedules /groups /preflight /keys"
            " /tokens /audit /settings /find?q=shop /builder?kind=publish&destination=http://a.example&retries=3"
        )
        return [*lists.split(), *about]


def _answer(request: Received) -> Answer:
    return Answer(500, b'{"error": "no such order"}') if "broken" in request.path else Answer(200)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running() as broker, listening(_answer) as endpoint:
        headers = {"Authorization": f"Bearer {broker.token}"}
        with httpx.Client(base_url=broker.url, headers=headers, timeout=20) as api:
            made = World(broker.url, api, endpoint, {})
            made.ids["failed"] = made.publish("/broken", b'{"order": 7781}', Upstash_Retries="0", Upstash_Label="shop")
            made.ids["long"] = made.publish(f"/{LONG}", b"lorem " * 2000, Upstash_Label="x" * 60)
            made.publish("/r", Upstash_Flow_Control_Key="renders", Upstash_Flow_Control_Value="parallelism=2")
            api.post("/v2/queues", json={"queueName": "invoices", "parallelism": 2})
            api.post("/v2/topics/partners/endpoints", json={"endpoints": [{"url": endpoint.url}]})
            cron = {"Upstash-Cron": "CRON_TZ=Europe/Berlin 30 6 * * 1-5", "Upstash-Schedule-Id": "daily"}
            api.post(f"/v2/schedules/{endpoint.url}/s", headers=cron)
            run = api.post(f"/v2/trigger/{endpoint.url}/broken/wf", headers={"Upstash-Retries": "0"}).json()
            made.ids["run"] = run["workflowRunId"]
            eventually(lambda: api.get("/v2/dlq").json()["messages"])
            yield made


@pytest.fixture(params=[{}])
def page(browser: Browser, world: World, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Somebody who is logged in; nothing may go wrong on the page, and nothing may be asked of anybody else."""
    context = browser.new_context(**request.param)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda one: problems.append(one.url) if not one.url.startswith(world.url) else None)
    opened.goto(f"{world.url}/console")
    opened.get_by_role("button", name="Go on as defaultUser").click()
    _ready(opened, "Overview")
    yield opened
    context.close()
    assert problems == []


def _ready(page: Page, heading: str) -> None:
    """Wait for a page and for its script, which hears the keys."""
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    # asked from outside each time: the page's own policy forbids it to look again by itself
    eventually(lambda: page.evaluate("typeof renew === 'function' && document.readyState !== 'loading'"))


LIGHT = {"viewport": {"width": 1280, "height": 900}}
DARK_PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}


@pytest.mark.parametrize("page", [LIGHT, DARK_PHONE], indirect=True, ids=["light", "dark phone"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(world: World, page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    for path in world.pages():
        page.goto(f"{world.url}/console{path}")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], path


def test_messages_appear_while_one_looks(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/messages")
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    new = world.publish("/just-now")
    expect(page.get_by_text(new)).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Go live")).to_be_visible()


def test_a_live_page_leaves_open_what_was_opened(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/messages/{world.ids['failed']}")
    page.get_by_text("Answer", exact=True).click()
    expect(page.get_by_text("no such order")).to_be_visible()
    page.evaluate("renew(document.getElementById('live'), document.getElementById('live').innerHTML)")
    expect(page.get_by_text("no such order")).to_be_visible()


def test_a_live_page_leaves_the_focus_on_a_button_and_a_press_alone(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/queues/invoices")
    again = "renew(document.getElementById('live'), document.getElementById('live').innerHTML)"
    page.get_by_role("button", name="Pause").focus()
    page.evaluate(again)
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    page.get_by_role("button", name="Pause").hover()
    page.mouse.down()
    assert page.evaluate("isTouched(document.getElementById('live'))")
    page.mouse.move(0, 0)
    page.mouse.up()
    assert not page.evaluate("isTouched(document.getElementById('live'))")


def test_how_long_a_run_has_been_running_is_told_as_a_length(page: Page) -> None:
    assert page.evaluate("lasting(Date.now() - 130_000)") == "2 min"
    assert page.evaluate("lasting(Date.now() + 5_000)") == "0 sec"


@pytest.fixture
def cut_off(browser: Browser, world: World) -> Iterator[Page]:
    """Somebody who is logged in, and whose connection may break."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(f"{world.url}/console")
    opened.get_by_role("button", name="Go on as defaultUser").click()
    _ready(opened, "Overview")
    opened.goto(f"{world.url}/console/messages")
    yield opened
    context.close()


def _stream(then: str, status: int = 0) -> Callable[[Route], None]:
    def answer(route: Route) -> None:
        if "text/event-stream" not in route.request.headers.get("accept", ""):
            route.continue_()
        elif status:
            route.fulfill(status=status)
        else:
            route.abort(then)

    return answer


@pytest.mark.parametrize("status", [0, 503], ids=["no connection", "refused"])
def test_a_page_whose_updates_do_not_come_says_so_and_goes_on_when_they_do(
    world: World, cut_off: Page, status: int
) -> None:
    expect(cut_off.get_by_role("button", name="● Live")).to_be_visible()
    cut_off.route("**/messages", _stream("connectionrefused", status))
    cut_off.keyboard.press("l")
    cut_off.keyboard.press("l")
    expect(cut_off.get_by_role("status")).to_contain_text("Not live: the console gives no answer", timeout=PATIENCE)
    expect(cut_off.get_by_role("button", name="Not live")).to_be_visible()
    cut_off.unroute("**/messages")
    new = world.publish("/after-the-gap")
    expect(cut_off.get_by_text(new)).to_be_visible(timeout=PATIENCE)
    expect(cut_off.get_by_role("status")).to_be_hidden()
    expect(cut_off.get_by_role("button", name="● Live")).to_be_visible()


def test_who_is_logged_out_while_looking_is_told_and_comes_back_to_the_same_page(world: World, cut_off: Page) -> None:
    cut_off.goto(f"{world.url}/console/messages?label=shop")
    cut_off.context.clear_cookies()
    cut_off.keyboard.press("l")
    cut_off.keyboard.press("l")
    cut_off.get_by_role("link", name="Log in again").click()
    cut_off.get_by_role("button", name="Go on as defaultUser").click()
    expect(cut_off).to_have_url(f"{world.url}/console/messages?label=shop")


def test_a_form_that_is_refused_leads_back_to_where_it_stood(world: World, cut_off: Page) -> None:
    cut_off.goto(f"{world.url}/console/dead-letters?label=shop")
    with cut_off.expect_response("**/retried"):
        cut_off.get_by_role("button", name="Retry").click()
    expect(cut_off.get_by_role("alert")).to_contain_text("tick the lines")
    cut_off.get_by_role("link", name="Go back").click()
    expect(cut_off).to_have_url(f"{world.url}/console/dead-letters?label=shop")
    expect(cut_off.get_by_text(world.ids["failed"])).to_be_visible()


def test_keys_lead_through_the_console(world: World, page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("invoices")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="invoices").click()
    _ready(page, "invoices")
    page.keyboard.press("g")
    page.keyboard.press("m")
    _ready(page, "Messages")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="msg_")).to_be_visible()


def test_a_dead_letter_is_retried_after_a_question(world: World, page: Page) -> None:
    letter = world.publish("/broken/again", Upstash_Retries="0", Upstash_Label="again")
    eventually(lambda: world.api.get(f"/v2/dlq?messageId={letter}").json()["messages"])
    page.goto(f"{world.url}/console/dead-letters?label=again")
    page.get_by_label("All that fit").check()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text(letter)).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status")).to_contain_text("1 published again")


def test_a_chosen_dead_letter_is_retried_at_once_and_an_address_unfolds_what_it_names(world: World, page: Page) -> None:
    letter = world.publish("/broken/one", Upstash_Retries="0", Upstash_Label="one")
    eventually(lambda: world.api.get(f"/v2/dlq?messageId={letter}").json()["messages"])
    page.goto(f"{world.url}/console/dead-letters?label=one")
    page.get_by_label("All that fit").check()
    page.get_by_label(f"Choose {letter}").check()
    expect(page.get_by_label("Chosen 1")).to_be_checked()
    page.get_by_role("button", name="Retry").click()
    _ready(page, "msg_")
    page.goto(f"{world.url}/console/messages/{letter}#answer-1")
    expect(page.get_by_label("Body of the answer to attempt 1")).to_contain_text("no such order")
    page.get_by_text("Request", exact=True).first.click()
    expect(page.get_by_role("table", name="Headers of the request of attempt 1")).to_contain_text("REDACTED")


def test_a_request_is_built_looked_at_and_sent(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/builder")
    page.get_by_label("Start a workflow run").check()
    expect(page.get_by_label("Method")).to_be_hidden()
    page.get_by_label("Publish a message").check()
    page.get_by_label("Destination:").fill(f"{world.endpoint.url}/built")
    page.get_by_label("Body", exact=True).fill('{"order": 1}')
    page.get_by_role("button", name="Show the request").click()
    expect(page.get_by_label("The request as TypeScript")).to_contain_text("client.publish")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_have_text("Published.")
    assert world.endpoint.wait_for(1, "/built")[0].body == b'{"order": 1}'


def test_an_endpoint_is_looked_at(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/preflight")
    page.get_by_label("URL").fill(f"{world.endpoint.url}/built")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("Reachable")).to_be_visible()


def test_filters_are_set_and_taken_away(world: World, page: Page) -> None:
    page.goto(f"{world.url}/console/messages")
    page.get_by_text("Filter").first.click()
    page.get_by_label("Label").fill("shop")
    page.get_by_label("From").fill("2020-01-01T00:00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text(world.ids["failed"])).to_be_visible()
    assert "label=shop" in page.url
    assert "fromDate=15778" in page.url
    assert "queueName" not in page.url
    page.get_by_role("link", name="Remove the filter Label shop").click()
    expect(page.get_by_role("link", name="Remove the filter Label shop")).to_be_hidden()


def test_who_logs_out_is_out(world: World, page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(f"{world.url}/console/keys")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
