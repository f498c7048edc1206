"""The commands against a real broker: tables for people, JSON for programs, refusals that say what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringback.cli.commands import COMMANDS, SECTIONS, ringback
from ringback.cli.output import Output, field
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import BrokerProcess, running


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    def respond(request: Received) -> Answer:
        return Answer(500, b"boom") if request.path == "/fail" else Answer()

    with listening(respond) as listener:
        yield listener


class Commands:
    """Runs commands against one broker."""

    def __init__(self, broker: BrokerProcess) -> None:
        self._environment = {"QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token}

    def run(self, *line: str, given: str | None = None) -> Result:
        return CliRunner().invoke(ringback, line, env=self._environment, input=given)

    def say(self, *line: str, given: str | None = None) -> str:
        result = self.run(*line, given=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *line: str, given: str | None = None) -> Any:
        return json.loads(self.say(*line, "--json", given=given))


@pytest.fixture
def cli(broker: BrokerProcess) -> Commands:
    return Commands(broker)


def test_a_broker_that_is_named_without_a_token_is_asked_and_never_another_one() -> None:
    with running() as other:
        named: dict[str, str | None] = {"QSTASH_URL": other.url, "QSTASH_TOKEN": None, "QSTASH_DEV": None}
        result = CliRunner().invoke(ringback, ["queues", "list"], env=named)
        assert result.exit_code == 0, result.output
    result = CliRunner().invoke(ringback, ["queues", "list"], env=named)
    assert result.exit_code == 3
    assert other.url in result.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(ringback, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage: ringback" in result.output


def test_the_help_lists_every_command_once_and_cuts_no_sentence_off() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)
    for line in ([], *([name] for name in ("messages", "runs", "dlq", "flow"))):
        told = CliRunner().invoke(ringback, [*line, "--help"]).output
        assert not [one for one in told.splitlines() if one.endswith("...") and not one.startswith("Usage")], line


def test_a_message_is_published_shown_followed_and_canceled(cli: Commands, endpoint: Endpoint) -> None:
    message = cli.say(
        "publish", endpoint.url, "-d", '{"a": 1}', "--delay", "1h", "-H", "X-Shop: 7", "--label", "cli"
    ).strip()
    shown = cli.json("messages", "show", message)
    assert (shown["header"]["X-Shop"], shown["state"], shown["attempts"]) == (["7"], "CREATED", 0)
    assert shown["header"]["Content-Type"] == ["application/json"]
    assert message in cli.say("events", "--label", "cli", "--since", "5m")
    assert cli.say("messages", "cancel", message) == "1 canceled\n"
    assert cli.json("messages", "cancel", "--label", "cli") == {"canceled": 0}


def test_messages_of_a_file_are_published_together(cli: Commands, endpoint: Endpoint) -> None:
    items = json.dumps([{"destination": f"{endpoint.url}/{number}"} for number in range(3)])
    assert len(cli.json("batch", "-", given=items)) == 3


def test_queues_have_one_grammar(cli: Commands, endpoint: Endpoint) -> None:
    cli.say("queues", "set", "clips", "--parallelism", "2")
    cli.say("queues", "pause", "clips")
    cli.say("enqueue", "clips", endpoint.url, "-d", "x")
    heading, row = cli.say("queues", "list").splitlines()
    assert heading.split() == ["QUEUE", "PARALLELISM", "WAITING", "PAUSED"]
    assert row.split() == ["clips", "2", "1", "yes"]
    cli.say("queues", "resume", "clips")
    assert cli.json("queues", "show", "clips")["paused"] is False
    cli.say("queues", "delete", "clips", "--yes")
    assert cli.say("queues", "list") == "No queues.\n"


def test_schedules_have_one_grammar(cli: Commands, endpoint: Endpoint) -> None:
    cli.say("schedules", "create", endpoint.url, "0 4 * * *", "--id", "nightly", "-d", "x")
    cli.say("schedules", "pause", "nightly")
    assert cli.json("schedules", "show", "nightly")["isPaused"] is True
    cli.say("schedules", "resume", "nightly")
    assert "nightly" in cli.say("schedules", "list")
    [made] = cli.json("schedules", "run", "nightly")["messageIds"]
    assert cli.say("messages", "again", made).startswith("msg_")
    cli.say("schedules", "delete", "nightly")
    assert cli.json("schedules", "list") == []


def test_url_groups_have_one_grammar(cli: Commands, endpoint: Endpoint) -> None:
    cli.say("groups", "add", "shops", f"first={endpoint.url}/1", f"{endpoint.url}/2")
    assert "first" in cli.say("groups", "list")
    cli.say("groups", "remove", "shops", "first")
    assert [one["url"] for one in cli.json("groups", "show", "shops")["endpoints"]] == [f"{endpoint.url}/2"]
    cli.say("groups", "delete", "shops")


def test_flow_control_keys_have_one_grammar(cli: Commands, endpoint: Endpoint) -> None:
    cli.say(
        "publish", endpoint.url, "--delay", "1h", "--flow-key", "shop-1", "--flow", "parallelism=2,rate=5,period=60"
    )
    cli.say("flow", "pause", "shop-1")
    cli.say("flow", "pin", "shop-1", "--parallelism", "9")
    assert cli.say("flow", "list", "shop").splitlines()[1].split("  ")[0] == "shop-1"
    assert cli.json("flow", "show", "shop-1")["parallelismMax"] == 9
    for verb in ("unpin", "reset", "resume"):
        cli.say("flow", verb, "shop-1")
    assert "key=shop-1" in cli.say("audit")


def test_dead_letters_are_shown_retried_and_deleted(cli: Commands, endpoint: Endpoint) -> None:
    cli.say("publish", f"{endpoint.url}/fail", "--retries", "0")
    [letter] = eventually(lambda: cli.json("dlq", "list"))  # type: ignore[misc]
    assert "boom" in cli.say("dlq", "show", letter["dlqId"])
    heading, attempt = cli.say("messages", "attempts", letter["messageId"]).splitlines()
    assert heading.split()[:2] == ["ATTEMPT", "STARTED"]
    assert attempt.split()[5:7] == ["ERROR", "500"]
    assert cli.json("messages", "attempts", letter["messageId"])["attempts"][0]["responseBody"] == "boom"
    assert cli.say("dlq", "retry", letter["dlqId"]) == "1 published again\n"
    eventually(lambda: cli.json("dlq", "list", "--status", "500"))
    assert cli.say("dlq", "delete", "--status", "500") == "1 deleted\n"


def test_runs_are_started_listed_shown_and_canceled(cli: Commands, endpoint: Endpoint) -> None:
    run = cli.say("runs", "trigger", f"{endpoint.url}/workflow", "--id", "one", "-d", "{}", "--delay", "1h").strip()
    assert run == "wfr_one"
    assert run in cli.say("runs", "list")
    assert "started" in cli.say("runs", "show", run)
    assert cli.say("runs", "notify", "no-such-event") == "0 woken\n"
    assert cli.say("runs", "cancel", run) == "1 canceled\n"
    assert cli.json("runs", "list", "--state", "canceled")[0]["workflowRunId"] == run


def test_a_run_is_told_with_its_errors_and_the_data_of_its_events() -> None:
    from ringback.cli.runs import _story

    run = {"workflowRunId": "wfr_1", "workflowState": "RUN_FAILED", "workflowUrl": "https://a.example/order"}
    run |= {"workflowRunCreatedAt": 0, "workflowRunCompletedAt": 60_000}
    error = {"time": 0, "status": 500, "body": '{"error":"OSError","message":"down","stack":"File ..."}'}
    event = {"stepName": "approval", "stepType": "Wait", "state": "STEP_SUCCESS", "out": "eyJieSI6ICJldmUifQ=="}
    next_one = {"state": "STEP_FAILED", "errors": [error, {"time": 0, "error": "no route"}]}
    told = "\n".join(_story({**run, "steps": [{"steps": [event]}, {"steps": [next_one]}]}))
    assert '{"by": "eve"}' in told
    assert "500  OSError: down\n" in told
    assert "no answer  no route" in told
    assert " to " in told.splitlines()[0]


def test_failed_runs_are_brought_back_and_forgotten_in_bulk(cli: Commands, endpoint: Endpoint) -> None:
    started = [
        cli.say("runs", "trigger", f"{endpoint.url}/fail", "--retries", "0", "--label", f"l{number}").strip()
        for number in range(3)
    ]
    failed = ("--failure-function", "fail")
    eventually(lambda: len(cli.json("runs", "dlq", "--status", "500", *failed)) == 3)
    assert [one["workflowRunId"] for one in cli.json("runs", "dlq", "-n", "2")] == [started[2], started[1]]
    assert cli.json("runs", "rerun-failure-function", "--all") == {"workflowRunIds": started}
    [new] = cli.json("runs", "restart", "--label", "l1")["workflowRunIds"]
    eventually(lambda: new in cli.say("runs", "dlq"))
    assert cli.say("runs", "forget", "--since", "5m", "--path", "/fail") == "3 deleted\n"
    both = cli.run("runs", "resume", "1-0", "--all")
    assert (both.exit_code, "not both" in both.output) == (2, True)


def test_keys_of_development_are_shown_and_not_rotated(cli: Commands) -> None:
    assert set(cli.json("keys", "show")) == {"current", "next"}
    refused = cli.run("keys", "rotate", "--yes")
    assert refused.exit_code == 1
    assert "development" in refused.output


def test_tokens_are_listed_and_made(cli: Commands) -> None:
    assert [one["role"] for one in cli.json("tokens", "list")] == ["full"]
    assert cli.say("tokens", "new", "read-only").startswith("RINGBACK_READ_ONLY_TOKEN=")


def test_a_broker_is_measured(cli: Commands) -> None:
    told = cli.json("bench", "-n", "50", "--in-flight", "4")
    assert told["delivered_per_s"] > 0
    assert told["acknowledged_to_delivered_p99_ms"] >= told["acknowledged_to_delivered_p50_ms"]


def test_wrong_input_names_what_was_expected(cli: Commands, endpoint: Endpoint) -> None:
    for line, word in (
        (("publish", endpoint.url, "-H", "nonsense"), "Name: value"),
        (("publish", "ftp://x"), "scheme"),
        (("publish", endpoint.url, "--delay", "soon"), "Upstash-Delay"),
        (("events", "--since", "soon"), "ISO 8601"),
        (("dlq", "delete"), "--all"),
        (("messages", "show", "msg_1"), "msg_1"),
        (("runs", "show", "wfr_none"), "wfr_none"),
        (("runs", "show", "order-7"), "begin with wfr_"),
        (("publish", "https://a.example", "--retry-delay", "soon"), "1000 * (1 + retried)"),
        (("publish", "localhost:8000/hook"), "begins with http://"),
        (("publish", endpoint.url, "-d", "a", "-f", "-"), "--data or with --file"),
        (("runs", "trigger", "shop.example/api/order"), "url of a workflow must begin with http"),
    ):
        result = cli.run(*line)
        assert result.exit_code in (1, 2), line
        assert word in result.output, (line, result.output)


def test_a_command_with_standard_output_closed_does_its_work_in_silence(broker: BrokerProcess) -> None:
    environment = {**os.environ, "QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token}
    line = f'"{sys.executable}" -m ringback tokens list >&-'
    said = subprocess.run(["sh", "-c", line], env=environment, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, b"")


def test_a_wrong_token_and_a_silent_broker_are_told_apart(broker: BrokerProcess) -> None:
    refused = CliRunner().invoke(ringback, ["queues", "list", "--broker", broker.url, "--token", "wrong"])
    assert (refused.exit_code, "QSTASH_TOKEN" in refused.output) == (1, True)
    silent = CliRunner().invoke(ringback, ["queues", "list", "--broker", "http://127.0.0.1:9", "--token", "any"])
    assert (silent.exit_code, "ringback dev" in silent.output) == (3, True)


def test_events_are_followed_as_they_happen(broker: BrokerProcess, endpoint: Endpoint, cli: Commands) -> None:
    environment = {**os.environ, "QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token, "PYTHONUNBUFFERED": "1"}
    line = [sys.executable, "-m", "ringback", "events", "--follow", "--label", "followed", "--json"]
    following = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
    assert following.stdout
    try:
        message = cli.say("publish", endpoint.url, "--label", "followed").strip()
        states = []
        while "DELIVERED" not in states:
            event = json.loads(following.stdout.readline())
            assert event["messageId"] == message
            states.append(event["state"])
        assert len(states) == len(set(states))
    finally:
        following.terminate()
        following.wait(20)
        following.stdout.close()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(shell: str) -> None:
    assert "_RINGBACK_COMPLETE" in CliRunner().invoke(ringback, ["completion", shell]).output


@pytest.mark.parametrize(
    ("library", "line", "extra"),
    [
        ("redis", ("import", "bullmq", "--queue", "x"), "importer"),
        ("asyncpg", ("migrate", "--db", "postgresql://a@127.0.0.1/a"), "postgres"),
        ("mcp", ("mcp",), "mcp"),
    ],
)
def test_a_command_whose_library_is_not_installed_says_what_to_install(
    library: str, line: tuple[str, ...], extra: str
) -> None:
    hidden = f"import sys; sys.modules[{library!r}] = None; sys.argv = {['ringback', *line]!r}"
    code = f"{hidden}; from ringback.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: {library} is missing; install it with: pip install 'ringback[{extra}]'\n",
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_a_terminal_obeys_nothing_that_stands_in_an_answer(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint's answer could clear the screen, or write another one."""
    record = {"responseBody": "sorry\n\x1b[2Jdone\x9b2J", "header": {"X": ["\x1b]0;title\x07"]}}
    out = Output(as_json=as_json)
    out.record(record)
    out.records([record], [("WHY", field("responseBody"))], none="")
    out.line(record, record["responseBody"])
    told = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\x07"} & set(told)
    assert told.count(r"\u001b[2Jdone\u009b2J") == 3
