"""What the client's filters say on the wire."""

from datetime import UTC, datetime

import pytest

from ringback.client import DeadLetterFilter, LogFilter, RunFilter, RunOptions
from ringback.client.dead_letters import (
    dead_letters,
    delete_all_dead_letters,
    delete_dead_letters_where,
    restart_all,
    restart_where,
    resume_all,
    resume_where,
)
from ringback.client.filters import letter_query, log_query, run_query
from ringback.client.runs import cancel_where, logs

WHEN = datetime(2020, 1, 1, tzinfo=UTC)
MS = "1577836800000"


def test_a_filter_of_runs_names_each_value() -> None:
    which = RunFilter(
        workflow_url=("https://a.test/x", "https://b.test/y"),
        labels="gold",
        from_date=WHEN,
        to_date=WHEN,
        caller_ip="192.0.2.1",
        flow_control_key=["k", "l"],
        host="a.test",
        path="/x",
    )
    assert sorted(run_query(which)) == [
        ("callerIp", "192.0.2.1"),
        ("flowControlKey", "k"),
        ("flowControlKey", "l"),
        ("fromDate", MS),
        ("host", "a.test"),
        ("label", "gold"),
        ("path", "/x"),
        ("toDate", MS),
        ("workflowUrl", "https://a.test/x"),
        ("workflowUrl", "https://b.test/y"),
        ("workflowUrlExactMatch", "true"),
    ]
    assert run_query(RunFilter(workflow_url_starting_with="https://a.test/")) == (("workflowUrl", "https://a.test/"),)


def test_a_filter_of_a_log_and_of_dead_letters_name_each_value() -> None:
    log = LogFilter(
        workflow_run_id="wfr_1", workflow_created_at=5, workflow_url="https://a.test/x", state="RUN_FAILED",
        message_id="msg_1", labels=("a", "b"), host=("a.test",), path="/x", caller_ip="192.0.2.1",
        flow_control_key="k", from_date=WHEN, to_date=WHEN,
    )  # fmt: skip
    assert dict(log_query(log)) == {
        "workflowRunId": "wfr_1", "workflowCreatedAt": "5", "workflowUrl": "https://a.test/x", "state": "RUN_FAILED",
        "messageId": "msg_1", "label": "b", "host": "a.test", "path": "/x", "callerIp": "192.0.2.1",
        "flowControlKey": "k", "fromDate": MS, "toDate": MS,
    }  # fmt: skip
    assert logs(log, cursor="c", count=3).query[-2:] == (("cursor", "c"), ("count", "3"))
    letter = DeadLetterFilter(workflow_run_id="wfr_1", workflow_created_at=0, failure_function_state="CALLBACK_FAIL")
    assert dict(letter_query(letter)) == {
        "workflowRunId": "wfr_1", "workflowCreatedAt": "0", "failureFunctionState": "CALLBACK_FAIL",
    }  # fmt: skip
    one = dead_letters(DeadLetterFilter(workflow_url="https://a.test/x"), count=5).query
    assert one == (("workflowUrl", "https://a.test/x"), ("count", "5"))


@pytest.mark.parametrize("field", ["workflow_url", "host", "caller_ip"])
def test_an_empty_list_is_refused_for_it_would_mean_all(field: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        run_query(RunFilter(**{field: []}))


def test_a_date_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        log_query(LogFilter(from_date=datetime(2020, 1, 1)))  # noqa: DTZ001 - what is refused


def test_an_empty_filter_is_refused_and_the_call_for_all_is_named() -> None:
    with pytest.raises(ValueError, match="cancel_all"):
        cancel_where(RunFilter())
    with pytest.raises(ValueError, match="resume_all"):
        resume_where(DeadLetterFilter())
    with pytest.raises(ValueError, match="restart_all"):
        restart_where(DeadLetterFilter())
    with pytest.raises(ValueError, match="delete_all_dead_letters"):
        delete_dead_letters_where(DeadLetterFilter())


def test_failed_runs_are_brought_back_by_a_filter_page_by_page() -> None:
    gold = DeadLetterFilter(labels="gold")
    call = resume_where(gold, options=RunOptions(retries=3), cursor="c", count=7)
    assert (call.method, call.path) == ("POST", "/v2/workflows/dlq/resume")
    assert dict(call.query) == {"label": "gold", "count": "7", "cursor": "c"}
    assert (call.headers, call.repeatable) == ({"Upstash-Retries": "3"}, False)
    part = call.parse(b'{"cursor":"d","workflowRuns":[{"workflowRunId":"wfr_1","workflowCreatedAt":5}]}')
    assert (part.count, part.items[0]["workflowRunId"], part.cursor) == (1, "wfr_1", "d")
    assert restart_where(gold).path == "/v2/workflows/dlq/restart"
    assert [dict(each().query) for each in (resume_all, restart_all)] == [{"count": "100"}] * 2
    gone = delete_dead_letters_where(gold)
    assert (gone.method, gone.parse(b'{"deleted":2,"cursor":""}').count) == ("DELETE", 2)
    assert delete_all_dead_letters().path == "/v2/workflows/dlq"
