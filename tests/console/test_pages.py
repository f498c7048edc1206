"""Every page and every deed, on a real broker in this process."""

import re

import pytest

from console.conftest import URL, Desk
from ringback.console.pages import SECTIONS
from ringback.wire.http import Outcome
from support.inprocess import OTHER, PUBLISH_ONLY, READ_ONLY, Answered, answering

PAGES = [screen.path for section in SECTIONS for screen in section.screens if "{" not in screen.path]
LONG = "x" * 300


async def fill(desk: Desk) -> dict[str, str]:
    """Let there be one of everything; return the addresses of the pages about it."""
    broker = desk.broker
    broker.respond = answering(500)
    message = await broker.publish(
        "http://shop.example/hook", b'{"order": 7}', upstash_retries="0", upstash_label="shop"
    )
    await broker.enqueue("invoices", f"http://shop.example/{LONG}", b"<script>alert(1)</script>")
    await broker.publish("http://shop.example/a", upstash_flow_control_key="r/1", upstash_flow_control_value="rate=5")
    await broker.call("POST", "/v2/topics/partners/endpoints", {"endpoints": [{"url": "http://a.example"}]})
    await broker.call(
        "POST", "/v2/schedules/http://shop.example/s", b"{}", upstash_cron="*/5 * * * *", upstash_schedule_id="five"
    )
    run = (await broker.call("POST", "/v2/trigger/http://shop.example/w", b'{"a": 1}', upstash_retries="0")).json
    await broker.settle()
    await broker.broker.counter.tick()
    return {
        "message": f"/messages/{message}",
        "run": f"/runs/{run['workflowRunId']}",
        "queue": "/queues/invoices",
        "key": "/flow/r%2F1",
        "group": "/groups/partners",
        "schedule": "/schedules/five",
    }


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_of_an_empty_broker_says_what_it_is_about(desk: Desk, path: str) -> None:
    await desk.log_in()
    page = await desk.page(path)
    assert len(re.findall("<h1", page)) == 1
    assert 'id="main"' in page


async def test_every_page_of_a_full_broker_is_there_and_escapes_what_it_shows(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in()
    for path in [*PAGES, *about.values()]:
        page = await desk.page(path)
        assert "<script>alert" not in page, path


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        (f"{URL}/console/dead-letters?label=shop", "/console/dead-letters?label=shop"),
        ("https://elsewhere.example/x", "/console/"),
        ("", "/console/"),
    ],
)
async def test_what_was_refused_leads_to_a_page_that_is_there(desk: Desk, came_from: str, back: str) -> None:
    await desk.log_in()
    desk.http.headers["Referer"] = came_from
    refused = await desk.do("/dead-letters/retried")
    assert refused.status_code == 400
    assert f'<a href="{back}">Go back</a>' in refused.text
    for path in ("/messages?fromDate=x", "/messages/msg_none"):
        trouble = (await desk.http.get(f"/console{path}")).text
        assert f'<a href="/console{path.partition("?")[0]}">Try again</a>' in trouble
        assert "data-live" not in trouble


async def test_pages_are_live_where_they_say_so(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in()
    lively = [screen.path for section in SECTIONS for screen in section.screens if screen.live]
    paths = [path for path in lively if "{" not in path] + list(about.values())
    for path in paths:
        screen = next(one for section in SECTIONS for one in section.screens if _fits(one.path, path))
        visit = (await desk.http.get(f"/console{path}")).text
        assert "data-live" in visit, (path, screen)


def _fits(pattern: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[^}]*\}", ".+", pattern), path) is not None


async def test_who_is_not_logged_in_sees_nothing(desk: Desk) -> None:
    for path in PAGES:
        answer = await desk.http.get(f"/console{path}")
        assert (answer.status_code, answer.text) == (303, ""), path
    assert (await desk.http.post("/console/keys/rotate", data={"sure": "yes"})).status_code == 303


async def test_a_wrong_token_and_one_that_may_only_publish_are_turned_away(desk: Desk) -> None:
    assert (await desk.log_in("wrong")).status_code == 401
    assert (await desk.log_in(PUBLISH_ONLY)).status_code == 403
    assert (await desk.http.get("/console/")).status_code == 303


async def test_the_cookie_is_for_this_site_only_and_does_not_hold_the_token(desk: Desk) -> None:
    answer = await desk.log_in()
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/console"))
    assert "token-one" not in cookie


async def test_a_session_that_was_changed_or_is_too_old_is_none(desk: Desk) -> None:
    await desk.log_in()
    desk.broker.at += 13 * 3_600_000
    assert (await desk.http.get("/console/")).status_code == 303
    desk.http.cookies.set("ringback_session", "gAAAAA-forged", domain="broker.example", path="/console")
    assert (await desk.http.get("/console/")).status_code == 303


async def test_a_form_of_another_site_or_session_is_refused(desk: Desk) -> None:
    await desk.log_in()
    foreign = {"Origin": "https://evil.example"}
    assert (await desk.http.post("/console/queues", data={"name": "q"}, headers=foreign)).status_code == 403
    assert (await desk.http.post("/console/queues", data={"name": "q", "csrf": "wrong"})).status_code == 403
    assert (await desk.broker.call("GET", "/v2/queues")).json == []


async def test_browsers_are_told_to_load_nothing_from_elsewhere(desk: Desk) -> None:
    answer = await desk.http.get("/console/login")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "http://" not in answer.text.replace("http://www.w3.org", "")


async def test_a_log_in_leads_only_to_pages_of_the_console(desk: Desk) -> None:
    for following in ("https://evil.example", "//evil.example", "/console/..\\evil", "/elsewhere"):
        answer = await desk.http.post("/console/login", data={"token": "token-one", "next": following})
        assert answer.headers["location"] == "/console/", following


async def test_a_session_that_may_only_read_can_change_nothing(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in(READ_ONLY)
    for path in [*PAGES, *about.values()]:
        page = await desk.page(path)
        forms = re.findall(r'<form method="post" action="([^"]+)"', page)
        assert [one for one in forms if not one.endswith("/logout")] == [], path
    session = desk.http.cookies["ringback_session"]
    assert session
    answer = await desk.http.post("/console/queues", data={"name": "q", "csrf": "guess"})
    assert answer.status_code == 403


async def test_another_account_sees_nothing_of_this_one(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in(OTHER)
    for name in ("message", "run", "queue", "key", "group", "schedule"):
        assert (await desk.http.get(f"/console{about[name]}")).status_code == 404, name


async def test_a_message_tells_its_life_and_is_published_again(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in()
    page = await desk.page(about["message"])
    for told in ("Attempt 1", "500", "Dead letter", "&#34;order&#34;: 7"):
        assert told in page, told
    answer = await desk.do(f"{about['message']}/again")
    assert answer.status_code == 303
    assert "Published again" in await desk.page(answer.headers["location"].removeprefix("/console"))


async def test_a_page_stays_small_however_large_the_bodies_are(desk: Desk) -> None:
    desk.broker.respond = lambda _: Outcome(500, [], b"no " * 300_000)
    large = [await desk.broker.publish("http://shop.example/large", b"yes " * 300_000) for _ in range(3)]
    await desk.broker.turn(60_000_000)
    await desk.log_in()
    about = await desk.page(f"/messages/{large[0]}")
    assert "Only the beginning is shown" in about
    assert len(about) < 500_000
    assert len(await desk.page("/messages")) < 100_000


async def test_a_pending_message_is_canceled(desk: Desk) -> None:
    message = await desk.broker.publish("http://shop.example/later", upstash_delay="1h")
    await desk.log_in()
    assert "Cancel" in await desk.page(f"/messages/{message}")
    assert (await desk.do(f"/messages/{message}/cancel")).status_code == 303
    assert (await desk.broker.events(message))[-1] == "CANCELED"


async def test_messages_are_found_by_every_filter_of_the_api(desk: Desk) -> None:
    await fill(desk)
    await desk.log_in()
    hits = {
        "label=shop": "/hook",
        "queueName=invoices": LONG[:50],
        "host=shop.example": "/hook",
        "path=/hook": "/hook",
        "flowControlKey=r/1": "/a<",
        "state=FAILED": "/hook",
    }
    for query, seen in hits.items():
        assert seen in await desk.page(f"/messages?{query}"), query
    assert "No message fits" in await desk.page("/messages?label=nobody")


async def test_dead_letters_are_retried_some_and_all(desk: Desk) -> None:
    desk.broker.respond = answering(500)
    for number in range(105):
        await desk.broker.publish(f"http://shop.example/{number}", upstash_retries="0", upstash_label=f"l{number % 2}")
    await desk.broker.settle()
    desk.broker.respond = answering(200)
    await desk.log_in()
    letters = (await desk.broker.call("GET", "/v2/dlq?count=2")).json["messages"]
    chosen = await desk.do("/dead-letters/retried", dlqId=[one["dlqId"] for one in letters])
    assert chosen.status_code == 303
    await desk.do("/dead-letters/deleted", scope="all", label="l1")
    await desk.do("/dead-letters/retried", scope="all")
    await desk.broker.settle()
    assert (await desk.broker.call("GET", "/v2/dlq")).json["messages"] == []
    assert (await desk.do("/dead-letters/retried")).status_code == 400


async def test_dead_letters_are_found_and_retried_by_host(desk: Desk) -> None:
    desk.broker.respond = answering(500)
    for host in ("one.example", "two.example"):
        await desk.broker.publish(f"http://{host}/hook", upstash_retries="0")
    await desk.broker.settle()
    desk.broker.respond = answering(200)
    await desk.log_in()
    page = await desk.page("/dead-letters?host=one.example")
    assert ("http://one.example/hook" in page, "http://two.example/hook" in page) == (True, False)
    assert (await desk.do("/dead-letters/retried", scope="all", host="one.example")).status_code == 303
    assert [one["url"] for one in (await desk.broker.call("GET", "/v2/dlq")).json["messages"]] == [
        "http://two.example/hook"
    ]


async def test_a_cancel_is_offered_only_where_it_reaches_no_further_than_the_filter(desk: Desk) -> None:
    for number in range(2):
        message = await desk.broker.publish(f"http://shop.example/{number}", upstash_delay="1h", upstash_label="shop")
    await desk.log_in()
    assert "Cancel all pending that fit" in await desk.page("/messages?label=shop&order=latestFirst")
    for more in (f"messageId={message}", "state=CREATED"):
        page = await desk.page(f"/messages?label=shop&{more}")
        assert ("http://shop.example/1" in page, "Cancel all pending that fit" in page) == (True, False), more


async def test_a_failed_run_is_resumed_and_canceled(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in()
    page = await desk.page(about["run"])
    letter = page.partition('name="dlqId" value="')[2].partition('"')[0]
    desk.broker.respond = answering(200)
    resumed = await desk.do(f"{about['run']}/resume", dlqId=letter)
    assert resumed.status_code == 303
    new = resumed.headers["location"].removeprefix("/console")
    assert "Running" in await desk.page(new)
    await desk.do(f"{new}/notify", event="paid", data='{"by": "card"}')
    await desk.do(f"{new}/cancel")
    assert "Canceled" in await desk.page(new)


async def test_failure_functions_that_have_failed_are_called_again_some_and_all(desk: Desk) -> None:
    desk.broker.respond = answering(500)
    told = {"upstash_retries": "0", "upstash_failure_callback": "http://shop.example/sorry"}
    for number in range(5):
        label = f"l{number % 2}"
        await desk.broker.call("POST", "/v2/trigger/http://shop.example/w", b"{}", upstash_label=label, **told)
    await desk.broker.turn(3_600_000)
    await desk.log_in()
    assert "Call failure functions again" in await desk.page("/dead-letters/runs?failureFunctionState=CALLBACK_FAIL")
    letters = (await desk.broker.call("GET", "/v2/workflows/dlq")).json["messages"]
    desk.broker.respond = answering(200)
    chosen = await desk.do("/dead-letters/runs/called", dlqId=[letters[0]["dlqId"], letters[1]["dlqId"]])
    assert chosen.status_code == 303
    await desk.broker.settle()
    again = await desk.do("/dead-letters/runs/called", dlqId=[letters[0]["dlqId"], letters[2]["dlqId"]])
    assert "1 of 2 failure functions called again" in await desk.page(
        again.headers["location"].removeprefix("/console")
    )
    await desk.do("/dead-letters/runs/called", scope="all", label="l1")
    await desk.do("/dead-letters/runs/called", scope="all")
    await desk.broker.settle()
    assert _functions(await desk.broker.call("GET", "/v2/workflows/dlq")) == {"CALLBACK_SUCCESS"}
    assert "Call failure functions again" not in await desk.page("/dead-letters/runs")


def _functions(answer: Answered) -> set[str]:
    return {one["failureFunctionState"] for one in answer.json["messages"]}


async def test_queues_keys_groups_and_schedules_are_managed(desk: Desk) -> None:
    await fill(desk)
    await desk.log_in()
    await desk.do("/queues", name="mail", parallelism="3")
    await desk.do("/queues/mail/pause")
    assert "Paused" in await desk.page("/queues/mail")
    await desk.do("/queues/mail/resume")
    await desk.do("/queues/mail/delete")
    await desk.do("/flow/r%2F1/pin", parallelism="2", rate="7", period="60")
    flow = (await desk.broker.call("GET", "/v2/flowControl/r%2F1")).json
    assert (flow["parallelismMax"], flow["rateMax"], flow["ratePeriod"]) == (2, 7, 60)
    for deed in ("pause", "resume", "reset", "unpin"):
        assert (await desk.do(f"/flow/r%2F1/{deed}")).status_code == 303
    await desk.do("/groups", group="partners", url="http://b.example", name="b")
    await desk.do("/groups/partners/remove", url="http://a.example")
    group = (await desk.broker.call("GET", "/v2/topics/partners")).json
    assert [one["url"] for one in group["endpoints"]] == ["http://b.example"]
    await desk.do("/groups/partners/delete")
    assert "In your local time" in await desk.page("/schedules/five")
    await desk.broker.call("POST", "/v2/schedules/none", b"", upstash_cron="@yearly", upstash_schedule_id="idle")
    for page in ("/", "/schedules/idle"):
        assert "There is no URL group" in await desk.page(page)
    assert "Makes no message" in await desk.page("/schedules")
    ran = await desk.do("/schedules/five/run")
    assert ran.headers["location"].startswith("/console/messages/msg_")
    for deed in ("pause", "resume", "delete"):
        assert (await desk.do(f"/schedules/five/{deed}")).status_code == 303
    assert "POST /v2/queues/{queue}/pause" in await desk.page("/audit")


async def test_keys_are_rotated_only_by_who_says_that_endpoints_are_ready(desk: Desk) -> None:
    await desk.log_in()
    assert "sig_one_current" in await desk.page("/keys")
    assert (await desk.do("/keys/rotate")).status_code == 400
    assert (await desk.do("/keys/rotate", sure="yes")).status_code == 303
    assert (await desk.broker.call("GET", "/v2/keys")).json["current"] == "sig_one_next"


async def test_the_builder_sends_what_it_shows(desk: Desk) -> None:
    await desk.log_in()
    fields = {"kind": "publish", "destination": "http://shop.example/new", "body": '{"a": 1}', "headers": "X-Tenant: 7"}
    sent = await desk.do("/builder", **fields, retries="1", label="built")
    await desk.broker.settle()
    assert sent.headers["location"].startswith("/console/messages/msg_")
    assert desk.broker.sent[0].body == b'{"a": 1}'
    assert ("X-Tenant", "7") in desk.broker.sent[0].headers
    scheduled = await desk.do("/builder", kind="schedule", destination="http://shop.example/new", cron="0 * * * *")
    assert scheduled.headers["location"].startswith("/console/schedules/scd_")
    run = await desk.do("/builder", kind="trigger", destination="http://shop.example/wf", body="{}")
    assert run.headers["location"].startswith("/console/runs/wfr_")
    queued = await desk.do("/builder", kind="enqueue", queue="q", destination="http://shop.example/q")
    assert queued.headers["location"].startswith("/console/messages/msg_")


async def test_search_finds_by_id_name_and_label(desk: Desk) -> None:
    about = await fill(desk)
    await desk.log_in()
    of_message, of_run = [
        (await desk.broker.call("GET", path)).json["messages"][0]["dlqId"] for path in ("/v2/dlq", "/v2/workflows/dlq")
    ]
    for wanted, found in (
        (of_message, "/console/messages/msg_"),
        (of_run, f"/console{about['run']}"),
        ("1790000000000-1", "No queue"),
        ("order-7", "workflowRunId=order-7"),
        ("msg_1", "/console/messages/msg_1"),
        ("wfr_1", "/console/runs/wfr_1"),
        ("invoi", "/console/queues/invoices"),
        ("partn", "/console/groups/partners"),
        ("five", "/console/schedules/five"),
        ("r/1", "/console/flow/r%2F1"),
        ("shop", "label=shop"),
        ("/hook", "path=%2Fhook"),
    ):
        assert found in await desk.page(f"/find?q={wanted}"), wanted


async def test_what_is_not_there_and_what_is_not_possible_is_told_on_a_page(desk: Desk) -> None:
    await desk.log_in()
    for path in ("/nowhere", "/messages/msg_0", "/runs/wfr_0", "/queues/none"):
        answer = await desk.http.get(f"/console{path}")
        assert (answer.status_code, "<h1>Not found" in answer.text) == (404, True), path
    assert (await desk.http.get("/console/events?fromDate=yesterday")).status_code == 400
    refused = await desk.do("/queues", name="no spaces", parallelism="1")
    assert (refused.status_code, "queueName" in refused.text) == (400, True)
