"""Parsers of the wire: the tables of the reference, the limits, and any other input at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import Refused
from ringback.wire import cron, destination, duration, flow_control, redaction, retry_after, retry_delay
from ringback.wire.batch import read_batch
from ringback.wire.destination import classify, split
from ringback.wire.filters import EVENT_FIELDS, read_filter
from ringback.wire.headers import read_options
from ringback.wire.options import FlowControl, Redaction

NOW = 1_790_000_000_000
ANYTHING = st.text(max_size=80)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("50s", 50_000),
        ("10m", 600_000),
        ("1d10h30m", 124_200_000),
        ("1.5h", 5_400_000),
        ("120ms", 120),
        ("500us", 0),
        ("1500µs", 1),
        ("2w", 1_209_600_000),
        (".5s", 500),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert duration.parse(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10x", "-5s", "1 s", "1h 2m", "10S", "٣s", "9" * 70 + "s", "99999999999d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="time: "):
        duration.parse(text)


@pytest.mark.parametrize(
    ("expression", "delays"),
    [
        ("1500", [1500, 1500, 1500]),
        ("1000 * (1 + retried)", [1000, 2000, 3000]),
        ("pow(2, retried) * 1000", [1000, 2000, 4000]),
        ("min(60000, 5000 * pow(3, retried))", [5000, 15_000, 45_000]),
        ("-5", [0, 0, 0]),
        ("1e12", [86_400_000] * 3),
        ("10 % 4 + 7/2", [5, 5, 5]),
        ("2 - -1", [3, 3, 3]),
        ("floor(1.9) + ceil(1.1) + round(2.5) + abs(-1) + sqrt(4)", [9, 9, 9]),
        ("max(retried, 1) * 10", [10, 10, 20]),
        ("1 / retried", [None, 1, 0]),
        ("exp(1000)", [None, None, None]),
        ("sqrt(0 - 1)", [None, None, None]),
    ],
)
def test_retry_delay_expressions(expression: str, delays: list[int | None]) -> None:
    compiled = retry_delay.compile_expression(expression)
    assert [compiled.delay_ms(retried) for retried in range(3)] == delays


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 +",
        "(1",
        "1)",
        "foo",
        "pow(1)",
        "min(1,2,3)",
        "1 2",
        "__import__('os')",
        "retried()",
        "1;2",
        "1" * 513,
        "(" * 100 + "1" + ")" * 100,
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(Refused, match="Upstash-Retry-Delay"):
        retry_delay.compile_expression(expression)


@given(st.text(alphabet="0123456789.+-*/%(), retiedpowminaxsqfl", max_size=60), st.integers(0, 200))
def test_any_expression_is_refused_or_bounded(text: str, retried: int) -> None:
    try:
        delay = retry_delay.compile_expression(text).delay_ms(retried)
    except Refused:
        return
    assert delay is None or 0 <= delay <= 86_400_000


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ([("Retry-After", "10")], 10_000),
        ([("Retry-After", "0")], 0),
        ([("retry-after", "1.5")], 1500),
        ([("Retry-After", "6m5s")], 365_000),
        ([("Retry-After", "86400")], 86_400_000),
        ([("Retry-After", "86401")], None),
        ([("Retry-After", "1d")], 86_400_000),
        ([("Retry-After", "soon")], None),
        ([("X-RateLimit-Reset", str(NOW // 1000))], None),
        ([("Retry-After", "2d"), ("X-RateLimit-Reset-Tokens", "3s")], 3000),
        ([("X-RateLimit-Reset-Tokens", "3s"), ("X-RateLimit-Reset", "1s")], 1000),
        ([("Retry-After", "Mon, 21 Sep 2026 14:13:30 GMT")], 10_000),
        ([("Retry-After", "Mon, 21 Sep 2020 14:13:30 GMT")], 0),
    ],
)
def test_when_to_come_again(headers: list[tuple[str, str]], delay: int | None) -> None:
    assert retry_after.delay_ms(headers, NOW) == delay


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("parallelism=5, rate=10, period=1m", FlowControl("k", 5, 10, 60)),
        ("rate=10", FlowControl("k", None, 10, 1)),
        (" parallelism = 1 ", FlowControl("k", 1)),
        ("ratePerSecond=4", FlowControl("k", None, 4, 1)),
        ("rate=1,period=604800", FlowControl("k", None, 1, 604_800)),
        ("rate=1,period=7d", FlowControl("k", None, 1, 604_800)),
    ],
)
def test_flow_control_values(value: str, expected: FlowControl) -> None:
    assert flow_control.parse("k", value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "rate",
        "rate=",
        "rate=0",
        "rate=-1",
        "rate=1.5",
        "x=1",
        "period=1s",
        "rate=1,period=604801",
        "rate=1,period=500ms",
    ],
)
def test_wrong_flow_control_values(value: str) -> None:
    with pytest.raises(Refused, match="Upstash-Flow-Control-Value"):
        flow_control.parse("k", value)


def test_flow_control_keys_at_their_limit() -> None:
    assert flow_control.parse("k" * 255, "rate=1").key == "k" * 255
    for key in ("", "k" * 256, "a\x00b"):
        with pytest.raises(Refused, match="Upstash-Flow-Control-Key"):
            flow_control.parse(key, "rate=1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("body", Redaction(body=True)),
        ("header", Redaction(headers=True)),
        ("headers, body", Redaction(body=True, headers=True)),
        ("header[X-A],headers[b]", Redaction(names=("x-a", "b"))),
    ],
)
def test_redaction(text: str, expected: Redaction) -> None:
    assert redaction.parse(text) == expected


@pytest.mark.parametrize(
    ("tail", "destination", "options"),
    [
        ("https://h/a%20b//c?x=1", "https://h/a%20b//c?x=1", {}),
        (
            "https://h?x=1&upstash-retries=3&Upstash-Delay=10s&y=%26",
            "https://h?x=1&y=%26",
            {"upstash-retries": "3", "upstash-delay": "10s"},
        ),
        ("https://h?qstash_token=t", "https://h", {}),
        ("https://h?", "https://h?", {}),
        ("group?upstash-method=GET", "group", {"upstash-method": "GET"}),
    ],
)
def test_the_tail_of_a_publish(tail: str, destination: str, options: dict[str, str]) -> None:
    assert split(tail) == (destination, options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPS://Ex.com/A", ("HTTPS://Ex.com/A", False)),
        ("http:/x.example/y", ("http://x.example/y", False)),
        ("my-group", ("my-group", True)),
        ("https://ex.com/ž%20/x?q=ü&r=%C3%BC", ("https://ex.com/%C5%BE%20/x?q=%C3%BC&r=%C3%BC", False)),
        ("https://ex.com?q=ž", ("https://ex.com?q=%C5%BE", False)),
        ("https://ex.com/a b?c d", ("https://ex.com/a%20b?c%20d", False)),
        ("https://ex.com/a?b=1#c?d", ("https://ex.com/a?b=1", False)),
        ("https://ex.com#ü", ("https://ex.com", False)),
    ],
)
def test_destinations(text: str, expected: tuple[str, bool]) -> None:
    assert classify(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a non-empty destination must be provided"),
        ("?a=b", "a non-empty destination must be provided"),
        ("http://#x", "no host"),
        ("ftp://x", "endpoint has invalid scheme"),
        ("https%3A%2F%2Fx", "endpoint has invalid scheme"),
        ("http://", "no host"),
        ("http://x:99999", "Port out of range"),
        ("http://x:0/", "port"),
        ("http://x /", "spaces"),
        ("https://me:word@x.example/", "carries a user name, send it as Upstash-Forward-Authorization"),
        ("http://[::1", "Invalid IPv6"),
        ("api/llm", "not available"),
        ("api/other", "unknown api"),
    ],
)
def test_what_is_no_destination_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        classify(text)


@given(ANYTHING, ANYTHING)
def test_no_text_breaks_a_parser(text: str, more: str) -> None:
    """Whatever is not understood is refused, with a reason and status 400."""
    for parse in (
        lambda: duration.parse(text),
        lambda: retry_delay.compile_expression(text),
        lambda: flow_control.parse(text, more),
        lambda: redaction.parse(text),
        lambda: classify(split(text)[0]),
        lambda: cron.parse(text),
        lambda: read_batch(text.encode("utf-8", "surrogatepass")),
        lambda: read_filter([(text, more), ("state", text), ("count", more)], b"", fields=EVENT_FIELDS, strict=True),
        lambda: read_filter([], text.encode("utf-8", "surrogatepass"), fields=EVENT_FIELDS, strict=False),
        lambda: retry_after.delay_ms([("Retry-After", text), (more, text)], NOW),
    ):
        try:
            parse()
        except Refused as error:
            assert error.status == 400
            assert error.text


HEADERS = st.sampled_from(
    [
        "Method",
        "Delay",
        "Not-Before",
        "Retries",
        "Retry-Delay",
        "Timeout",
        "Callback",
        "Failure-Callback",
        "Forward-X",
        "Header-Forward",
        "Deduplication-Id",
        "Content-Based-Deduplication",
        "Flow-Control-Key",
        "Flow-Control-Value",
        "Label",
        "Redact-Fields",
        "Cron",
        "Schedule-Id",
        "Queue-Name",
        "Callback-Retries",
        "Callback-Callback",
        "Failure-Callback-Delay",
        "Workflow-Init",
        "Workflow-RunId",
        "Feature-Set",
    ]
)
VALUES = ANYTHING | st.sampled_from(["true", "1", "5s", "https://x.example", "rate=1", "a,b", "* * * * *", "GET"])


@given(st.lists(st.tuples(HEADERS, VALUES), max_size=8))
def test_no_headers_break_the_reader(lines: list[tuple[str, str]]) -> None:
    try:
        read_options([(f"upstash-{name}".lower(), value) for name, value in lines])
    except Refused as error:
        assert error.status == 400


def test_a_fraction_of_a_second_counts_in_not_before() -> None:
    assert read_options([("upstash-not-before", "1700000001.25")]).not_before == 1_700_000_001_250


@pytest.mark.parametrize(
    ("value", "ms"), [("30", 30_000), ("1.5", 1500), ("1m30s", 90_000), ("0", None), ("0s", None), ("0.0", None)]
)
def test_a_timeout_is_bare_seconds_too_and_nothing_is_no_limit_of_its_own(value: str, ms: int | None) -> None:
    assert read_options([("upstash-timeout", value)]).timeout_ms == ms


def test_what_is_too_long_is_refused_with_its_name() -> None:
    url = f"https://a.example/{'x' * destination.LONGEST}"
    for lines, field in (
        ([("upstash-callback", url)], "header Upstash-Callback: longer than 8192"),
        ([("upstash-callback", "https://a.example"), ("upstash-callback-failure-callback", url)], "Upstash-Callback-F"),
        ([("upstash-workflow-init", "true"), ("upstash-workflow-url", url)], "header Upstash-Workflow-Url: longer"),
        ([("upstash-workflow-runid", "x" * 513)], "header Upstash-Workflow-RunId: longer than 512"),
    ):
        with pytest.raises(Refused, match=field):
            read_options(lines)
    with pytest.raises(Refused, match="invalid destination url: longer than 8192 characters"):
        classify(url)
    for item, field in (
        ({"destination": url}, "item 0: invalid destination url: longer than 8192"),
        ({"destination": "https://a.example", "headers": {"X": "x" * 70_000}}, "item 0: invalid headers: larger than"),
    ):
        with pytest.raises(Refused, match=field):
            read_batch(json.dumps([item]).encode())
