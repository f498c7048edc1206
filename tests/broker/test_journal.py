"""The log tells decisions, a line each, and nothing that is nobody's business."""

import json
import logging

import pytest

from ringback.cli.logs import JsonLines, TextLines
from support.inprocess import TOKEN, InProcess, answering

URL = "https://api.example.com/in?key=in-the-url"


async def test_decisions_are_logged_without_bodies_headers_and_tokens(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ringback.decisions")
    ringed.respond = answering(500)
    message = await ringed.publish(
        URL, b"body-secret", upstash_retries="0", upstash_forward_authorization="header-secret"
    )
    await ringed.settle()
    await ringed.call("POST", "/v2/queues/q/pause")
    await ringed.call("POST", "/v2/flowControl/k/pause?qstash_token=" + TOKEN)
    told = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "ringback.decisions"]
    assert [one["action"] for one in told] == ["accepted", "active", "error", "failed", "administration"]
    failed = told[3]
    assert (failed["level"], failed["message_id"], failed["status"]) == ("warning", message, 500)
    for secret in ("body-secret", "header-secret", "in-the-url", TOKEN):
        assert secret not in json.dumps(told)


async def test_a_schedule_whose_tick_made_no_message_is_told(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await ringed.call("POST", "/v2/schedules/no-such-group", upstash_cron="* * * * *", upstash_schedule_id="nightly")
    await ringed.turn(61_000)
    [told] = [record for record in caplog.records if record.name == "ringback.decisions"]
    assert "schedule_id=nightly" in TextLines().format(told)
    assert "topic no-such-group not found" in TextLines().format(told)


async def test_everyday_decisions_are_not_logged_unless_asked_for(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ringback.decisions")
    await ringed.publish(URL)
    await ringed.settle()
    assert not [record for record in caplog.records if record.name == "ringback.decisions"]


def test_a_line_for_people_has_its_fields_behind_it() -> None:
    record = logging.makeLogRecord({"msg": "message failed", "levelname": "WARNING", "created": 0, "status": 500})
    assert TextLines().format(record) == "1970-01-01T00:00:00.000Z WARNING message failed status=500"


def test_what_others_wrote_begins_no_line_of_its_own_and_moves_no_cursor() -> None:
    """Ids of runs, and errors, come from publishers and endpoints."""
    given = {"msg": "run failed", "levelname": "WARNING", "created": 0, "run_id": "a\n1970 forged\x1b[2J\x9b2J"}
    line = TextLines().format(logging.makeLogRecord(given))
    assert line.endswith(r"run failed run_id=a\u000a1970 forged\u001b[2J\u009b2J")
    assert json.loads(JsonLines().format(logging.makeLogRecord(given)))["run_id"] == given["run_id"]
