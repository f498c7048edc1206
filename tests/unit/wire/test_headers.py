"""Header lines become options (protocol 3)."""

import random
from urllib.parse import unquote

import pytest

from ringback.errors import Refused
from ringback.wire import headers
from ringback.wire.headers import read_options
from ringback.wire.options import FlowControl, Redaction


def options(**asked: str) -> object:
    return read_options([(name.replace("_", "-").lower(), value) for name, value in asked.items()])


def test_everything_at_once() -> None:
    read = read_options(
        [
            ("content-type", "application/json"),
            ("upstash-method", "put"),
            ("upstash-delay", "1m"),
            ("upstash-retries", "0"),
            ("upstash-timeout", "30s"),
            ("upstash-label", "a, b,,c"),
            ("upstash-redact-fields", "body"),
            ("upstash-flow-control-key", "k"),
            ("upstash-flow-control-value", "rate=2"),
            ("upstash-forward-x-many", "1"),
            ("upstash-forward-X-MANY".lower(), "2"),
            ("upstash-content-based-deduplication", "True"),
            ("authorization", "Bearer secret"),
            ("upstash-telemetry-sdk", "x"),
            ("upstash-nobody-knows", "y"),
        ]
    )
    assert (read.method, read.delay_ms, read.retries, read.timeout_ms) == ("PUT", 60_000, 0, 30_000)
    assert read.labels == ("a", "b", "c")
    assert read.headers == (("Content-Type", "application/json"), ("X-Many", "1"), ("X-Many", "2"))
    assert read.redact == Redaction(body=True)
    assert read.flow_control == FlowControl("k", None, 2)
    assert read.content_based_deduplication
    assert "secret" not in str(read)


@pytest.mark.parametrize("text", ["ü", "日本, ü", "café"])
def test_what_is_asked_for_in_utf_8_or_latin_1_is_the_text_that_was_meant(text: str) -> None:
    """Header bytes are read as Latin-1; curl and Go send UTF-8, browsers and Node.js Latin-1, and batches text."""
    url = f"https://a.example/{text}"
    for sent in (text, text.encode().decode("latin-1")):
        lines = [("upstash-label", sent), ("upstash-flow-control-key", sent), ("upstash-flow-control-value", "rate=1")]
        lines += [("upstash-callback", url.replace(text, sent)), ("upstash-callback-label", sent)]
        read = read_options([*lines, ("upstash-forward-x-as-it-is", sent)])
        assert ", ".join(read.labels) == text
        assert read.flow_control == FlowControl(text, None, 1)
        assert read.callback is not None
        assert unquote(read.callback.url) == url
        assert ", ".join(read.callback.options.labels) == text
        assert read.headers == (("X-As-It-Is", sent),)


def test_a_header_wins_over_the_query_and_empty_is_absent() -> None:
    read = read_options(
        [("upstash-retries", "1"), ("upstash-delay", "")], {"upstash-retries": "2", "upstash-delay": "5s"}
    )
    assert (read.retries, read.delay_ms) == (1, 5000)


def test_all_headers_are_passed_on_where_asked_but_never_credentials() -> None:
    read = read_options(
        [
            ("upstash-header-forward", "true"),
            ("x-hub-signature", "s"),
            ("authorization", "Bearer secret"),
            ("host", "h"),
            ("connection", "close"),
            ("x-forwarded-for", "1"),
            ("via", "p"),
            ("x-both", "incoming"),
            ("upstash-forward-x-both", "explicit"),
        ]
    )
    assert read.headers == (("X-Hub-Signature", "s"), ("X-Both", "explicit"))


@pytest.mark.parametrize(
    "name",
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Authorization", "Expect", "Accept-Encoding"],
)
def test_headers_of_the_transport_are_not_forwarded(name: str) -> None:
    assert read_options([(f"upstash-forward-{name.lower()}", "x")]).headers == ()


def test_callbacks_have_options_of_their_own_three_levels_deep() -> None:
    read = read_options(
        [
            ("upstash-callback", "https://a.example"),
            ("upstash-callback-retries", "1"),
            ("upstash-callback-forward-x-a", "1"),
            ("upstash-callback-k", "ignored"),
            ("upstash-callback-callback", "https://b.example"),
            ("upstash-callback-callback-callback", "https://c.example"),
            ("upstash-callback-callback-callback-callback", "https://d.example"),
            ("upstash-failure-callback", "https://f.example"),
            ("upstash-failure-callback-delay", "3s"),
        ]
    )
    assert read.callback is not None
    assert (read.callback.options.retries, read.callback.options.headers) == (1, (("X-A", "1"),))
    second = read.callback.options.callback
    assert second is not None
    third = second.options.callback
    assert third is not None
    assert (third.url, third.options.callback) == ("https://c.example", None)
    assert read.failure_callback is not None
    assert read.failure_callback.options.delay_ms == 3000


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("Method", "FETCH", "Upstash-Method"),
        ("Delay", "10", "Upstash-Delay"),
        ("Not-Before", "soon", "Upstash-Not-Before"),
        ("Not-Before", "-1", "Upstash-Not-Before"),
        ("Retries", "-1", "Upstash-Retries"),
        ("Retries", "1.5", "Upstash-Retries"),
        ("Retries", "٣", "Upstash-Retries"),
        ("Timeout", "1", None),
        ("Timeout", "x", "Upstash-Timeout"),
        ("Callback", "ftp://x", "Upstash-Callback"),
        ("Callback", "group", "Upstash-Callback"),
        ("Failure-Callback", "", None),
        ("Deduplication-Id", "a:b", "DeduplicationId cannot contain ':'"),
        ("Deduplication-Id", "a" * 255, None),
        ("Deduplication-Id", "a" * 256, "Upstash-Deduplication-Id"),
        ("Content-Based-Deduplication", "maybe", "Upstash-Content-Based-Deduplication"),
        ("Redact-Fields", "nothing", "Upstash-Redact-Fields"),
        ("Cron", "* * *", "Upstash-Cron"),
        ("Forward-Bad Name", "x", "Upstash-Forward-"),
        ("Forward-X", "a\r\nEvil: 1", "line break"),
        ("Callback-Retries", "x", None),
    ],
)
def test_a_wrong_header_is_named(name: str, value: str, text: str | None) -> None:
    lines = [(f"upstash-{name}".lower(), value)]
    if text is None:
        read_options(lines)
        return
    with pytest.raises(Refused, match=text) as refused:
        read_options(lines)
    assert refused.value.status == 400


def test_a_workflow_message_is_recognised() -> None:
    read = read_options(
        [
            ("upstash-workflow-init", "true"),
            ("upstash-workflow-runid", "wfr_1"),
            ("upstash-workflow-url", "https://w.example"),
            ("upstash-feature-set", "LazyFetch, InitialBody"),
            ("upstash-feature-set", "WF_DetectTrigger"),
            ("upstash-forward-upstash-workflow-sdk-version", "1"),
        ]
    )
    assert read.workflow is not None
    assert (read.workflow.init, read.workflow.run_id) == (True, "wfr_1")
    assert read.workflow.features == ("LazyFetch", "InitialBody", "WF_DetectTrigger")
    assert read.headers == (("Upstash-Workflow-Sdk-Version", "1"),)


NAMES = (
    *(
        "Workflow-RunId",
        "Callback-Workflow-RunId",
        "Failure-Callback-Workflow-RunId",
        "Callback-Forward-Workflow-RunId",
    ),
    *("Workflow-Init", "Callback", "Failure-Callback", "Callback-Method", "Failure-Callback-Callback", "Feature-Set"),
    *("Forward-Workflow-RunId", "Header-Forward", "Label", "Retries", "Callback-Workflow-Init"),
)
VALUES = {
    "Callback": "https://a.example",
    "Failure-Callback": "https://b.example",
    "Failure-Callback-Callback": "https://c.example",
    "Callback-Method": "put",
    "Retries": "2",
}


def test_headers_mean_the_same_whether_the_like_were_read_before_or_not() -> None:
    chance = random.Random(1)
    hits = headers._known.cache_info().hits
    for _ in range(5000):
        chosen = chance.choices(NAMES, k=chance.randint(1, 9))
        run_ids = chance.choices(["wfr_1", "wfr_2", f"wfr_{chance.random()}", ""], [6, 2, 6, 1], k=9)
        flag = chance.choice(["true", "false"])
        lines = [
            (f"upstash-{name}".lower(), run_id if name.endswith("RunId") else VALUES.get(name, flag))
            for name, run_id in zip(chosen, run_ids, strict=False)
        ]
        lines.insert(chance.randint(0, len(lines)), ("content-length", str(chance.randint(0, 9))))
        assert read_options(lines) == headers._read(lines), lines
    assert headers._known.cache_info().hits - hits > 400


def test_the_like_of_what_was_read_is_refused_for_a_run_whose_id_is_too_long() -> None:
    assert options(Upstash_Workflow_Init="true", Upstash_Workflow_RunId="r" * 512)
    with pytest.raises(Refused, match="Upstash-Workflow-RunId: longer than 512"):
        options(Upstash_Workflow_Init="true", Upstash_Workflow_RunId="r" * 513)
