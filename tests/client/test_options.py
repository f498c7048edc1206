"""What a user asks for is said on the wire, and what cannot be said is refused with the field's name."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.client import FlowControl, RunFilter, RunOptions, Start
from ringback.client.durations import seconds, unix_seconds, wire_duration
from ringback.client.filters import run_query
from ringback.client.messages import RunRef, start
from ringback.client.runs import cancel, cancel_where, trigger_many

RUN = RunRef("wfr_1", "https://shop.test/wf")


def test_a_workflow_without_a_scheme_is_not_started() -> None:
    with pytest.raises(ValueError, match=r"url of a workflow must begin with http.*'shop.test/wf'"):
        trigger_many([Start("shop.test/wf")])


def test_a_start_says_what_the_reference_shows() -> None:
    options = RunOptions(
        retries=2,
        retry_delay="1000 * (1 + retried)",
        flow_control=FlowControl("tenant-acme", parallelism=2, rate=5, period="1m"),
        labels=("gold", "eu"),
        delay="10s",
        headers={"X-Tenant": "acme"},
        redact=("body", "header[Authorization]"),
    )
    headers = start(RUN, "{}", options).headers
    flow = {"key": "tenant-acme", "value": "parallelism=2, rate=5, period=60s"}
    prefix = "Upstash-Failure-Callback"
    for name, value in {
        "Upstash-Workflow-Init": "true",
        "Upstash-Retries": "2",
        f"{prefix}-Retries": "2",
        "Upstash-Retry-Delay": "1000 * (1 + retried)",
        "Upstash-Flow-Control-Key": flow["key"],
        "Upstash-Flow-Control-Value": flow["value"],
        f"{prefix}-Flow-Control-Value": flow["value"],
        "Upstash-Label": "gold,eu",
        "Upstash-Forward-Upstash-Label": "gold,eu",
        f"{prefix}-Forward-Upstash-Label": "gold,eu",
        "Upstash-Delay": "10s",
        "Upstash-Redact-Fields": "body,header[Authorization]",
        "Upstash-Forward-X-Tenant": "acme",
        f"{prefix}-Forward-X-Tenant": "acme",
        prefix: "https://shop.test/wf",
        f"{prefix}-Workflow-Calltype": "failureCall",
        "Upstash-Feature-Set": "LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig",
    }.items():
        assert headers[name] == value


@pytest.mark.parametrize(
    ("delay", "said"),
    [("10s", "10000"), ("1m30s", "90000"), (0.5, "500"), (timedelta(minutes=1), "60000"), ("1000", "1000")],
)
def test_a_retry_delay_is_a_duration_or_an_expression_in_milliseconds(delay: Any, said: str) -> None:
    assert start(RUN, None, RunOptions(retry_delay=delay)).headers["Upstash-Retry-Delay"] == said


def test_the_default_number_of_retries_is_not_said() -> None:
    assert "Upstash-Retries" not in start(RUN, None, RunOptions(retries=3)).headers


def test_the_content_type_follows_the_users_header() -> None:
    assert start(RUN, "x", RunOptions(headers={"content-type": "text/plain"})).headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (RunOptions(retries=-1), "retries"),
        (RunOptions(labels=("a b",)), "label"),
        (RunOptions(delay="soon"), "delay"),
        (RunOptions(not_before=datetime(2030, 1, 1)), "not_before"),  # noqa: DTZ001 - that it has no zone is the point
        (RunOptions(flow_control=FlowControl("a/b", rate=1)), "flow-control key"),
        (RunOptions(flow_control=FlowControl("a")), "parallelism or a rate"),
        (RunOptions(retry_delay="soon"), "retry_delay"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_fields_name(options: RunOptions, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        start(RUN, None, options)


@pytest.mark.parametrize(
    ("duration", "said"),
    [(5, "5s"), (0.2, "1s"), ("90s", "90s"), ("1d12h", "129600s"), ("1w", "604800s"), (timedelta(minutes=2), "120s")],
)
def test_durations_are_whole_seconds_on_the_wire(duration: Any, said: str) -> None:
    assert wire_duration(duration, "it") == said


@pytest.mark.parametrize("duration", [-1, "", "5", "5 s", "s", "1x", float("nan"), float("inf"), True, timedelta(-1)])
def test_other_durations_are_refused(duration: Any) -> None:
    with pytest.raises(ValueError, match="the pause"):
        seconds(duration, "the pause")


@given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])))  # noqa: DTZ001
def test_an_instant_is_the_same_however_it_is_written(moment: datetime) -> None:
    written = {unix_seconds(each, "it") for each in (moment, moment.isoformat(), moment.timestamp())}
    assert len(written) == 1


def test_canceling_everything_takes_more_than_an_empty_wish() -> None:
    for attempt in (cancel, lambda: cancel_where(RunFilter())):
        with pytest.raises(ValueError, match="cancel_all"):
            attempt()
    with pytest.raises(ValueError, match="at least one"):
        trigger_many([])


def test_a_filter_is_a_query() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    query = run_query(RunFilter(workflow_url="https://a", labels=("x", "y"), from_date=moment))
    assert query == (
        ("workflowUrl", "https://a"),
        ("workflowUrlExactMatch", "true"),
        ("fromDate", "1767225600000"),
        ("label", "x"),
        ("label", "y"),
    )
    assert run_query(RunFilter(workflow_url_starting_with="https://a")) == (("workflowUrl", "https://a"),)
    with pytest.raises(ValueError, match="not both"):
        run_query(RunFilter(workflow_url="a", workflow_url_starting_with="b"))


def test_a_single_label_is_not_taken_apart() -> None:
    headers = start(RUN, None, RunOptions(labels="gold", redact="body")).headers
    assert headers["Upstash-Label"] == "gold"
    assert headers["Upstash-Failure-Callback-Forward-Upstash-Label"] == "gold"
    assert headers["Upstash-Redact-Fields"] == "body"
