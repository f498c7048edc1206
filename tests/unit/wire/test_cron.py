"""Cron expressions, time zones, and the days when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import Refused
from ringback.wire import cron


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def ticks(expression: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    parsed, moment, found = cron.parse(expression), at(start, zone), []
    for _ in range(count):
        moment = parsed.next_at(moment)
        found.append(datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M %Z"))
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:30", ["01-01 00:01 UTC", "01-01 00:02 UTC"]),
        (
            "*/20 3 * * *",
            "2026-01-01T00:00",
            ["01-01 03:00 UTC", "01-01 03:20 UTC", "01-01 03:40 UTC", "01-02 03:00 UTC"],
        ),
        ("0 9 * * mon-fri", "2026-01-02T10:00", ["01-05 09:00 UTC", "01-06 09:00 UTC"]),
        ("0 0 1,15 * *", "2026-01-01T00:00", ["01-15 00:00 UTC", "02-01 00:00 UTC"]),
        ("0 0 13 * fri", "2026-01-01T00:00", ["01-02 00:00 UTC", "01-09 00:00 UTC", "01-13 00:00 UTC"]),
        ("0 0 * jan sun", "2026-01-01T00:00", ["01-04 00:00 UTC", "01-11 00:00 UTC"]),
        ("0 0 29 2 *", "2026-01-01T00:00", ["02-29 00:00 UTC"]),
        ("@weekly", "2026-01-01T00:00", ["01-04 00:00 UTC"]),
        ("5-10/5 0 * * 7", "2026-01-01T00:00", ["01-04 00:05 UTC", "01-04 00:10 UTC"]),
        ("30/10 * * * *", "2026-01-01T00:00", ["01-01 00:30 UTC", "01-01 00:40 UTC"]),
    ],
)
def test_when_it_ticks(expression: str, start: str, expected: list[str]) -> None:
    assert ticks(expression, start, len(expected)) == expected


def test_a_time_that_spring_skips_is_taken_at_the_end_of_the_gap() -> None:
    assert ticks("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T00:00", 3, "Europe/Berlin") == [
        "03-28 02:30 CET",
        "03-29 03:00 CEST",
        "03-30 02:30 CEST",
    ]


def test_a_time_that_autumn_repeats_is_taken_once() -> None:
    assert ticks("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T00:00", 3, "Europe/Berlin") == [
        "10-24 02:30 CEST",
        "10-25 02:30 CEST",
        "10-26 02:30 CET",
    ]


def test_every_half_hour_follows_real_time_through_a_change() -> None:
    parsed, moment = cron.parse("CRON_TZ=Europe/Berlin */30 * * * *"), at("2026-10-25T00:00")
    for _ in range(8):
        following = parsed.next_at(moment)
        assert following - moment == 1_800_000
        moment = following


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "@every 5m",
        "0 0 31 4 *",
        "CRON_TZ=Nowhere/Else * * * * *",
        "CRON_TZ=../../etc/passwd * * * * *",
        "1,,2 * * * *",
        "1 " * 200,
    ],
)
def test_what_is_no_cron_is_refused(expression: str) -> None:
    with pytest.raises(Refused, match="Upstash-Cron"):
        cron.parse(expression)


FIELD = st.sampled_from(["*", "*/7", "0", "3,5", "1-4", "2-6/2"])


@given(FIELD, FIELD, FIELD, st.sampled_from(["*", "1-12", "2"]), FIELD, st.integers(0, 4_000_000_000_000))
def test_the_next_tick_is_later_and_matches(
    minute: str, hour: str, day: str, month: str, weekday: str, after: int
) -> None:
    if day == "0" or day.startswith("*/"):
        day = "*"
    parsed = cron.parse(f"{minute} {hour} {day} {month} {weekday}")
    found = parsed.next_at(after)
    moment = datetime.fromtimestamp(found / 1000, UTC)
    assert found > after
    assert found % 60_000 == 0
    assert moment.minute in parsed.minutes
    assert moment.hour in parsed.hours
    assert moment.month in parsed.months
    assert parsed.next_at(found - 1) == found
