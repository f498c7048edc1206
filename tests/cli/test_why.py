"""`ringback why` says in words what a message or a run waits for."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from ringback.cli.commands import ringback
from ringback.testing import Answer, TestBroker

URL = "https://shop.test/hook"


@pytest.fixture
def broker() -> Iterator[TestBroker]:
    with TestBroker() as broker:
        broker.stub(URL, Answer(503))
        yield broker


def test_one_message_is_explained(broker: TestBroker) -> None:
    message = broker.publish(URL, upstash_delay="1h")
    result = CliRunner().invoke(ringback, ["why", message.id])
    assert result.exit_code == 0
    assert result.output.startswith("  the message was asked for not before 20")
    told = json.loads(CliRunner().invoke(ringback, ["why", message.id, "--json"]).stdout)
    assert told["causes"][0]["kind"] == "delayed"


def test_what_makes_no_progress_is_listed_with_what_to_do(broker: TestBroker) -> None:
    quiet = CliRunner().invoke(ringback, ["why"])
    assert (quiet.exit_code, quiet.output) == (
        0,
        "Everything has made progress in the last 10m, or waits because it was asked to.\n",
    )
    message = broker.publish(URL, upstash_retries="9", upstash_retry_delay="3600000")
    broker.turn("2h30m")
    result = CliRunner().invoke(ringback, ["why"])
    assert result.exit_code == 1
    assert result.output.startswith(
        f"{message.id}  {URL}\n  the message failed 3 times, last with status 503; next attempt"
    )
    assert f"    -> look at {URL}, or its logs" in result.output
    told = json.loads(CliRunner().invoke(ringback, ["why", "--json"]).stdout)
    assert [one["messageId"] for one in told["stalled"]] == [message.id]


def test_what_is_not_there_is_refused(broker: TestBroker) -> None:
    result = CliRunner().invoke(ringback, ["why", "wfr_none"])
    assert result.exit_code == 1
    assert "there is no message, no run and no schedule wfr_none" in result.output


def test_a_schedule_whose_group_is_missing_is_told_when_it_is_made_and_afterwards(broker: TestBroker) -> None:
    made = CliRunner().invoke(ringback, ["schedules", "create", "shops", "0 0 1 1 *", "--id", "yearly"])
    assert (made.exit_code, made.stdout) == (0, "yearly\n")
    assert "there is no URL group 'shops' yet" in made.stderr
    assert "topic shops not found" in CliRunner(env={"COLUMNS": "200"}).invoke(ringback, ["schedules", "list"]).output
    result = CliRunner().invoke(ringback, ["why"])
    assert (result.exit_code, result.output.splitlines()[0]) == (1, "yearly  shops")
    assert "-> ringback groups add shops URL" in CliRunner().invoke(ringback, ["why", "yearly"]).output
    plain = CliRunner().invoke(ringback, ["schedules", "create", URL, "0 0 1 1 *"])
    assert (plain.exit_code, plain.stderr) == (0, "")
