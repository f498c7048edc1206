"""From answers of the API to what pages show; no broker, no clock."""

import itertools
import shlex
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs

import pytest

from ringback.console.guard import reason
from ringback.console.views import attempts, history, overview, plots, programs, runs, schedules, settings, words
from ringback.console.views.wish import missing, read_wish

NOW = 1_790_000_000_000
BOUNDS = (10, 100)


def counts(minutes_ago: int, **numbers: int) -> dict[str, object]:
    names = ("accepted", "delivered", "failed", "canceled", "errors", "retries", "attemptMs")
    at = (NOW // 60_000 - minutes_ago) * 60_000
    return {"time": at, **dict.fromkeys(names, 0), "attempts": [0, 0, 0], **numbers}


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (250, "250 ms"),
        (1500, "1.5 s"),
        (59_000, "59 s"),
        (200_000, "3 min 20 s"),
        (187_200_000, "2 d 4 h"),
    ],
)
def test_durations_read_as_people_say_them(ms: int, text: str) -> None:
    assert words.duration(ms) == text


def test_numbers_and_sizes_are_short() -> None:
    assert [words.count(one) for one in (7, 1234, 12_345_678)] == ["7", "1\u202f234", "12.3 M"]
    assert [words.size(one) for one in (7, 2048, 10 * 1024 * 1024)] == ["7 bytes", "2.0 KiB", "10.0 MiB"]


def test_bodies_are_told_as_text_where_they_are_text() -> None:
    assert words.body_of({"body": "eyJhIjoxfQ=="}, "body", encoded=True) == '{"a":1}'
    assert words.body_of({"body": "/////w=="}, "body", encoded=True) == "4 bytes that are not text"
    assert words.body_of({"body": "REDACTED:1f"}, "body", encoded=True) == "REDACTED:1f"
    assert words.body_of({}, "body") is None


def test_why_a_dead_letter_failed_is_said_in_few_words() -> None:
    sdk = '{"error":"OSError","message":"down","stack":"File ..."}'
    assert words.why({"responseStatus": 500, "responseBody": sdk, "error": "unexpected"}) == "OSError: down"
    assert words.why({"responseStatus": 200, "responseBody": '{"id":1}', "error": "no workflow"}) == "no workflow"
    assert words.why({"responseStatus": 0, "responseBody": "no route", "error": "no route"}) == "no route"
    assert words.why({"responseStatus": 500, "responseBodyBase64": "Ym9vbQ=="}) == "boom"


def test_an_error_with_a_stack_reads_line_by_line() -> None:
    told = words.pretty('{"error": "ValueError", "message": "no", "stack": "line 1\\nline 2"}')
    assert told == "ValueError: no\n\nline 1\nline 2"


def test_the_overview_sums_and_rates() -> None:
    told = {
        "now": NOW,
        "pending": 4,
        "inFlight": 1,
        "deadLetters": 2,
        "attemptBoundsMs": BOUNDS,
        "minutes": [
            counts(1, accepted=30, delivered=27, failed=3, attempts=[20, 10, 0], attemptMs=600),  # type: ignore[arg-type]
            counts(0, accepted=30, delivered=30, attempts=[0, 0, 0]),  # type: ignore[arg-type]
        ],
    }
    shown = overview.overview(told, 60)
    assert (shown["total"]["accepted"], shown["rate"], shown["success"]) == (60, 1.0, 0.95)
    assert len(shown["buckets"]) == 60
    assert [one.accepted for one in shown["buckets"][-2:]] == [30, 30]
    assert shown["mean"] == 20
    assert len(overview.buckets(told["minutes"], NOW, 1440, BOUNDS)) == 60


def test_percentiles_lie_within_their_class() -> None:
    assert overview.percentile([10, 0, 0], BOUNDS, 0.5) == 5
    assert overview.percentile([0, 10, 0], BOUNDS, 0.5) == 55
    assert overview.percentile([0, 0, 1], BOUNDS, 0.95) == pytest.approx(195)
    assert overview.percentile([0, 0, 0], BOUNDS, 0.95) is None


def test_plots_are_made_of_numbers_and_escaped_titles() -> None:
    svg = plots.bars([("good", [1, 2]), ("bad", [0, 2])], ["<a>", "b"], 'over "1 hour"')
    assert svg.count('<rect class="good"') == 2
    assert svg.count('<rect class="bad"') == 1
    assert "&lt;a>" in svg
    assert plots.bars([("good", [])], [], "empty").startswith("<svg")


def event(state: str, at: int, **more: object) -> dict[str, object]:
    return {"messageId": "msg_1", "state": state, "time": at, "url": "http://a", "method": "POST", **more}


def test_a_life_goes_from_its_acceptance_to_its_end() -> None:
    told = [event("CREATED", 0), event("ACTIVE", 10), event("DELIVERED", 105, responseStatus=200)]
    life = history.life(told, [{"attempt": 1}], more=False)
    assert life is not None
    assert (life.pending, life.ended, life.created, life.state) == (False, 105, 0, "DELIVERED")
    pending = history.life(told[:2], [], more=False)
    assert pending is not None
    assert pending.pending


SENT = {"method": "POST", "url": "http://a.example/x?y=1", "body": "it's", "bodyBytes": 4}
ATTEMPT = {
    "state": "DELIVERED",
    "headers": {"X-A": ["1", "2"], "Upstash-Signature": ["REDACTED"], "X-K": ["REDACTED:9"]},
}


def test_a_delivery_is_told_as_a_command_that_a_shell_reads_as_it_was_sent() -> None:
    told = attempts.curl({**SENT, "attempts": [ATTEMPT]})
    assert told
    words_ = shlex.split(told.replace("\\\n", " "))
    assert words_ == ["curl", "-X", "POST", SENT["url"], "-H", "X-A: 1", "-H", "X-A: 2", "--data-raw", "it's"]


@pytest.mark.parametrize(
    "told", [{"body": "REDACTED:77", "bodyBytes": None}, {"bodyBase64": "AAE="}, {"bodyBytes": 5}, {"attempts": []}]
)
def test_no_command_is_made_of_what_is_hidden_or_not_all_there(told: dict[str, Any]) -> None:
    whole = {name: value for name, value in {**SENT, "attempts": [ATTEMPT], **told}.items() if value is not None}
    assert attempts.curl(whole) is None


def test_a_message_opens_in_the_builder_with_what_was_published() -> None:
    about = {
        **SENT,
        "maxRetries": 2,
        "queueName": "invoices",
        "labels": ["shop"],
        "header": {"Content-Type": ["text/plain"], "X-A": ["1"], "Upstash-Workflow-Init": ["false"]},
    }
    query = attempts.builder_query(about, {**SENT, "attempts": [ATTEMPT]})
    assert query
    wish = read_wish(parse_qs(query))
    assert (wish.kind, wish.destination, wish.queue, wish.body) == ("enqueue", SENT["url"], "invoices", "it's")
    assert (wish.headers, wish.content_type, dict(wish.options)) == (
        {"X-A": "1"},
        "text/plain",
        {"retries": "2", "label": "shop"},
    )


@pytest.mark.parametrize(
    ("attempt", "shown", "note"),
    [
        ({"responseHeaders": {"Content-Length": ["5000"]}}, "x" * 1024, "1.0 KiB of 4.9 KiB"),
        ({"responseHeaders": {"Content-Length": ["1024"]}}, "x" * 1024, ""),
        ({"state": "LOST"}, None, "never written down"),
        ({"state": "ERROR"}, None, "No answer came"),
        ({"responseStatus": 204}, None, "No body"),
    ],
)
def test_what_is_not_there_of_an_answer_is_said(attempt: dict[str, Any], shown: str | None, note: str) -> None:
    told = attempts.answer_note({"state": "DELIVERED", **attempt}, shown)
    assert note in told if note else told == ""


def step(name: str, at: int, state: str = "STEP_SUCCESS", **more: object) -> dict[str, object]:
    return {"stepName": name, "stepType": "Run", "state": state, "createdAt": at, **more}


def test_a_waterfall_places_steps_one_after_the_other_and_side_by_side() -> None:
    run = {
        "workflowRunCreatedAt": 0,
        "workflowRunCompletedAt": 1000,
        "steps": [
            {"type": "sequential", "steps": [step("init", 0, stepType="Initial")]},
            {"type": "sequential", "steps": [step("a", 100, startedAt=50, failedAttempts=[{"time": 75}])]},
            {
                "type": "parallel",
                "steps": [
                    step("b", 300, startedAt=110),
                    step("nap", 600, startedAt=600, stepType="SleepFor", sleepFor=490),
                ],
            },
            {"type": "next", "steps": [{"state": "STEP_FAILED", "errors": [{"time": 900}], "stepName": "c"}]},
        ],
    }
    fall = runs.waterfall(run, now=5000)
    assert [(bar.name, bar.began, bar.ended) for bar in fall.bars] == [
        ("a", 50, 100),
        ("b", 110, 300),
        ("nap", 100, 600),
        ("c", 600, 1000),
    ]
    assert fall.bars[0].marks == [75]
    assert [bar.parallel for bar in fall.bars] == [False, True, True, False]
    assert all(bar.x >= 0 and bar.x + bar.width <= runs.WIDTH for bar in fall.bars)
    assert (fall.bars[2].tone, fall.bars[3].tone) == ("quiet", "bad")


def test_a_step_that_goes_on_reaches_to_now() -> None:
    run = {"workflowRunCreatedAt": 0, "steps": [{"type": "next", "steps": [{"state": "STEP_PROGRESS"}]}]}
    bar = runs.waterfall(run, now=400).bars[0]
    assert (bar.ended, bar.width, bar.name) == (None, runs.WIDTH, "the next step")


def test_schedules_are_told_in_words_with_their_zone() -> None:
    assert schedules.in_words("CRON_TZ=Europe/Berlin 30 6 * * 1-5") == "At 06:30, Monday through Friday (Europe/Berlin)"
    assert schedules.in_words("*/15 * * * *") == "Every 15 minutes (UTC)"
    assert schedules.in_words("nonsense") == "nonsense"
    ticks = schedules.next_ticks("*/15 * * * *", NOW)
    assert [late - early for early, late in itertools.pairwise(ticks)] == [900_000] * 4


def test_settings_are_told_in_words() -> None:
    told = settings.grouped({"port": 8080, "limits.delay_ms": 60_000, "limits.queues": None, "limits.body_bytes": 1024})
    assert told == {
        "Server": [("Port", "8080")],
        "Deliveries": [("Delay", "1 min")],
        "Limits": [("Queues", "no limit"), ("Body", "1.0 KiB")],
    }


WISH = {
    "kind": ("publish",),
    "destination": ("https://shop.example/api/o'clock",),
    "body": ('{"name": "Zoë", "quote": "\\"it\'s\\""}',),
    "headers": ("X-Tenant: shop-7\nX-Note: it's",),
    "retries": ("5",),
    "flow_key": ("k",),
    "parallelism": ("3",),
    "period": ("1m",),
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kind": ("enqueue",), "queue": ("q",)},
        {"kind": ("schedule",), "cron": ("0 * * * *",), "schedule_id": ("s",)},
        {"kind": ("trigger",), "label": ("l",)},
        {"destination": ("partners",), "method": ("PUT",)},
    ],
)
def test_every_program_the_builder_shows_can_be_read(more: dict[str, tuple[str, ...]]) -> None:
    wish = read_wish(WISH | more)
    assert missing(wish) is None
    compile(programs.python(wish, "http://broker.example"), "built", "exec")
    assert "await client." in programs.typescript(wish, "http://broker.example")
    parsed = subprocess.run(["bash", "-n"], input=programs.curl(wish, "http://broker.example"), text=True, check=False)
    assert parsed.returncode == 0


def test_the_builder_says_what_is_missing_or_wrong() -> None:
    assert missing(read_wish({})) == "Name a destination."
    assert missing(read_wish({"destination": ("a",), "kind": ("enqueue",)})) == "Name a queue."
    limits = read_wish({"destination": ("a",), "rate": ("5",)})
    assert missing(limits) == "Limits need a flow-control key."
    for wrong in ({"retries": ("many",)}, {"headers": ("no colon",)}, {"kind": ("steal",)}, {"label": ("a\r\nb",)}):
        with pytest.raises(ValueError, match="expected"):
            read_wish({"destination": ("a",), **wrong})


def test_only_this_site_may_send_forms() -> None:
    host = {"host": "broker.example:8080"}
    assert reason("GET", {}) is None
    assert reason("POST", {**host, "origin": "http://broker.example:8080"}) is None
    assert reason("POST", host) is not None
    assert reason("POST", {**host, "origin": "null"}) is not None
    assert reason("POST", {**host, "origin": "http://evil.example"}) is not None
    assert reason("POST", {**host, "origin": "http://broker.example:8080", "sec-fetch-site": "cross-site"}) is not None
    # behind a proxy that does not pass the port of the host on
    assert reason("POST", {**host, "origin": "https://broker.example:8443", "sec-fetch-site": "same-origin"}) is None
    assert "Host header" in str(reason("POST", {**host, "origin": "http://broker.example:8443"}))


def test_the_console_needs_nothing_of_the_broker() -> None:
    code = "import sys, ringback.console.app; print([m for m in sys.modules if m.startswith('ringback.broker')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
