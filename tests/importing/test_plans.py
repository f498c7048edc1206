"""Plans are made of values: what a job, a backoff or a schedule becomes, or why it stays."""

from typing import Any

import pytest

from ringback.importing.bullmq.jobs import Job, Place, read_job
from ringback.importing.bullmq.ledger import Row, decode, encode, tail
from ringback.importing.bullmq.plans import Move, Standing, Stay, plan
from ringback.importing.bullmq.repeats import Repeat, read_repeat
from ringback.importing.bullmq.schedules import Timetable, plan_schedule
from ringback.importing.bullmq.tries import tries
from ringback.importing.bullmq.wishes import Wishes
from ringback.wire.retry_delay import compile_expression

NOW = 1_790_000_000_000
WISHES = Wishes("https://shop.example/jobs", "videos")


@pytest.mark.parametrize(
    ("opts", "attempts", "made", "retries", "waits"),
    [
        ({}, 1, 0, 0, None),
        ({}, 3, 0, 2, [0, 0]),
        ({"backoff": 5000}, 3, 1, 1, [5000]),
        ({"backoff": {"type": "fixed", "delay": 700}}, 4, 0, 3, [700, 700, 700]),
        ({"backoff": {"type": "exponential", "delay": 1000}}, 5, 0, 4, [1000, 2000, 4000, 8000]),
        ({"backoff": {"type": "exponential", "delay": 1000}}, 5, 2, 2, [4000, 8000]),
        ({"backoff": {"type": "exponential", "delay": 3_600_000}}, 60, 40, 19, [86_400_000]),
        ({"backoff": {"type": "fixed", "delay": 10}}, 2, 7, 0, None),
    ],
)
def test_a_job_keeps_the_tries_and_waits_it_has_left(
    opts: dict[str, Any], attempts: int, made: int, retries: int, waits: list[int] | None
) -> None:
    left = tries(opts, attempts, made, None)
    assert left.headers["Upstash-Retries"] == str(retries)
    expression = left.headers.get("Upstash-Retry-Delay")
    if waits is None:
        assert expression is None
    else:
        parsed = compile_expression(expression or "")
        assert [parsed.delay_ms(retried) for retried in range(len(waits))] == waits
    assert left.notes == []


@pytest.mark.parametrize(
    ("backoff", "note"),
    [
        ({"type": "fixed", "delay": 10, "jitter": 0.5}, "jitter"),
        ({"type": "moon phase"}, "code in the worker"),
    ],
)
def test_a_backoff_that_cannot_be_carried_is_told(backoff: dict[str, Any], note: str) -> None:
    assert note in tries({"backoff": backoff}, 3, 0, None).notes[0]


def test_retries_above_the_brokers_cap_are_cut_and_told() -> None:
    left = tries({}, 50, 0, 5)
    assert left.headers["Upstash-Retries"] == "5"
    assert left.notes == ["49 retries are left, cut to 5"]


def job(place: Place = "wait", *, score: str = "", relatives: int = 0, **fields: str) -> Job:
    stored = {"name": "render", "data": '{"n":1}', "opts": "{}", "timestamp": "1789999999999"} | fields
    found = read_job("7", place, stored, score=score, relatives=relatives)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (job(), "waiting"),
        (job("paused"), "waiting"),
        (job(priority="3"), "prioritised"),
        (job("prioritized"), "prioritised"),
        (job("delayed", score="1"), "delayed"),
        (job("delayed", score="1", atm="1"), "retrying"),
        (job("delayed", score="1", attemptsMade="2"), "retrying"),
        (job("active"), "stalled"),
        (job("failed"), "failed"),
    ],
)
def test_states_have_the_names_people_use(found: Job, state: str) -> None:
    assert found.state == state


def test_up_to_version_4_a_begun_attempt_is_counted_and_from_5_an_ended_one() -> None:
    assert job("active", attemptsMade="2").made == 1
    assert job("active", ats="2", atm="1").made == 1
    assert job("active", ats="1").made == 0
    assert job("failed", attemptsMade="2").made == 2


def test_a_delayed_job_is_due_at_its_score_not_its_delay() -> None:
    found = job("delayed", score=str((NOW + 90_500) * 4096 + 17), delay="0")
    planned = plan(found, WISHES, Standing(NOW))
    assert isinstance(planned, Move)
    assert planned.item["headers"]["Upstash-Not-Before"] == str(
        (NOW + 91_000) // 1000 if NOW % 1000 else NOW // 1000 + 91
    )
    past = plan(job("delayed", score=str((NOW - 5) * 4096)), WISHES, Standing(NOW))
    assert isinstance(past, Move)
    assert "Upstash-Not-Before" not in past.item["headers"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (job(opts="{"), "options are not JSON"),
        (job(parentKey="bull:other:1"), "child of the flow bull:other:1"),
        (job(relatives=1), "parent of a flow"),
        (job(data="\udcff"), "not JSON in UTF-8"),
        (job(rjk="nightly"), "schedule that stays"),
    ],
)
def test_what_cannot_go_stays_with_its_reason(found: Job, reason: str) -> None:
    planned = plan(found, WISHES, Standing(NOW, frozenset({"nightly"})))
    assert isinstance(planned, Stay)
    assert reason in planned.reason


def test_a_marker_of_older_versions_is_no_job() -> None:
    assert read_job("0:0", "wait", {}) is None


@pytest.mark.parametrize(
    ("fields", "cron"),
    [
        ({"pattern": "0 3 * * *", "tz": "Europe/Paris"}, "CRON_TZ=Europe/Paris 0 3 * * *"),
        ({"pattern": "0 0 3 * * *", "tz": "UTC"}, "0 3 * * *"),
        ({"every": "60000"}, "* * * * *"),
        ({"every": "900000"}, "*/15 * * * *"),
        ({"every": "900000", "offset": "180000"}, "3-59/15 * * * *"),
        ({"every": "3600000", "offset": "300000"}, "5 * * * *"),
        ({"every": "21600000"}, "0 */6 * * *"),
        ({"every": "21600000", "offset": "7500000"}, "5 2-23/6 * * *"),
        ({"every": "86400000", "offset": "11100000"}, "5 3 * * *"),
    ],
)
def test_schedules_that_cron_can_say(fields: dict[str, str], cron: str) -> None:
    planned = scheduled(fields)
    assert isinstance(planned, Timetable)
    assert planned.cron == cron


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"every": "420000"}, "fits into no hour or day"),
        ({"every": "10000"}, "fits into no hour or day"),
        ({"pattern": "*/10 * * * * *"}, "more than once a minute"),
        ({"pattern": "0 3 L * *"}, "five plain fields"),
        ({"pattern": "0 3 * * *", "limit": "4"}, "cannot count"),
        ({"pattern": "0 3 * * *", "endDate": str(NOW + 1)}, "end date"),
        ({"pattern": "0 3 * * *", "endDate": str(NOW - 1)}, "has ended"),
        ({"pattern": "0 3 * * *", "startDate": str(NOW + 1)}, "begins later"),
    ],
)
def test_schedules_that_cron_cannot_say_stay(fields: dict[str, str], reason: str) -> None:
    planned = scheduled(fields)
    assert isinstance(planned, Stay)
    assert reason in planned.reason


def scheduled(fields: dict[str, str]) -> Timetable | Stay:
    repeat = read_repeat("a key", "0", {"name": "tick", "data": "{}", "opts": "{}"} | fields, None)
    assert repeat is not None
    return plan_schedule(repeat, WISHES, NOW)


def test_the_oldest_schedules_say_everything_in_their_key() -> None:
    repeat = read_repeat("a:name:42:1790000000001:Asia/Tokyo:0 3 * * *", "0", {}, None)
    assert repeat == Repeat(
        "a:name:42:1790000000001:Asia/Tokyo:0 3 * * *",
        "0",
        "a:name",
        pattern="0 3 * * *",
        tz="Asia/Tokyo",
        ends_at=1_790_000_000_001,
    )
    assert read_repeat("nonsense", "0", {}, None) is None


def test_an_interval_off_the_minute_and_a_missing_time_zone_are_told() -> None:
    shifted = scheduled({"every": "300000", "offset": "61000"})
    assert isinstance(shifted, Timetable)
    assert (shifted.cron, shifted.notes) == ("1-59/5 * * * *", ("it runs at the full minute, up to 59 s earlier",))
    local = scheduled({"pattern": "0 3 * * *"})
    assert isinstance(local, Timetable)
    assert local.notes == ("it names no time zone; UTC is taken",)


def test_a_row_reads_as_it_was_written() -> None:
    row = Row("1:7", "", "0.5", 3, "", "claimed", "delayed", "delayed", 'an "id" \\ ü')
    text = f'{{"score":"0.5","seq":3,"pscore":"",{tail(row)}'
    assert decode("1:7", text) == Row("1:7", text, "0.5", 3, "", "claimed", "delayed", "delayed", 'an "id" \\ ü')
    assert decode("1:7", encode(row)).id == row.id
