"""`ringback simulate` as a person and as a pipeline use it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ringback.simulate.happenings import Answered, Changed, Logged
from ringback.simulate.terminal import line_of

APPS = Path(__file__).parents[1] / "simulate" / "apps"
FETCH = "import os, sys, urllib.request; urllib.request.urlopen(os.environ['RINGBACK_SIMULATED_URL'] + sys.argv[1])"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ringback", "simulate", *arguments, "--folder", str(APPS)]


def run(*arguments: str, fetch: str) -> "subprocess.CompletedProcess[str]":
    line = [*command(*arguments), "--", sys.executable, "-c", FETCH, fetch]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_without_findings_it_ends_well() -> None:
    done = run("vercel", "small:app", fetch="/")
    assert done.returncode == 0, done.stderr
    assert "GET / -> 200" in done.stdout
    assert "Nothing was seen that would go wrong in production." in done.stdout


def test_errors_decide_the_exit_status_and_json_goes_alone_to_stdout() -> None:
    done = run("lambda", "small:consumer", "--json", fetch="/")
    assert done.returncode == 20
    report = json.loads(done.stdout)
    assert [one["rule"] for one in report["findings"]] == ["starved-loop"]
    assert report["findings"][0]["severity"] == "error"
    assert "GET / -> 200" in done.stderr


def test_a_command_that_fails_has_the_last_word() -> None:
    assert run("vercel", "small:app", "--no-read-only", "--request-bytes", "5", fetch="/crash").returncode == 1


def test_a_limit_that_is_no_number_is_refused_by_name() -> None:
    done = run("vercel", "small:app", "--duration-s", "long", fetch="/")
    assert (done.returncode, "--duration-s" in done.stderr) == (2, True)
    done = run("vercel", "small:app", "--env", "SHOP", fetch="/")
    assert (done.returncode, "expected NAME=VALUE, not 'SHOP'" in done.stderr) == (2, True)


def test_a_broker_beside_it_sets_the_variables() -> None:
    check = """
import os, urllib.request
headers = {"Authorization": "Bearer " + os.environ["QSTASH_TOKEN"]}
urllib.request.urlopen(urllib.request.Request(os.environ["QSTASH_URL"] + "/v2/queues", headers=headers))
"""
    line = [*command("vercel", "small:app", "--broker"), "--", sys.executable, "-c", check]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_it_can_be_kept_from_the_shells_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "from the shell")
    show = FETCH.replace("urllib.request.urlopen(", "print(urllib.request.urlopen(").replace("[1])", "[1]).read())")
    for options, expected in (
        ((), True),
        (("--clean-env",), False),
        (("--clean-env", "--env", "SHOP=from the shell"), True),
    ):
        line = [*command("vercel", "small:app", *options), "--", sys.executable, "-c", show, "/environment"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        assert ("from the shell" in done.stdout) is expected


def test_sigterm_ends_it_with_the_report() -> None:
    line = command("vercel", "small:app", "--port", "0")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "small:app on vercel at http://127.0.0.1:" in process.stdout.readline()
        process.terminate()
        assert "no instance was started" in process.stdout.read()
        assert process.wait(20) == 0


def test_the_live_view_redeploys_and_ends_at_a_key() -> None:
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(
        command("vercel", "small:app", "--port", "0"), stdin=inside, stdout=inside, stderr=inside, env=environment
    ) as process:
        os.close(inside)
        seen = _until(terminal, "end and report")
        os.write(terminal, b"r")
        seen = _until(terminal, "redeployed", seen)
        os.write(terminal, b"q")
        seen = _until(terminal, "so nothing was tried", seen)
        assert process.wait(20) == 0
    os.close(terminal)


def _until(terminal: int, word: str, seen: str = "") -> str:
    while word not in seen:
        seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


def test_everything_that_happens_has_a_line() -> None:
    assert line_of(Answered("GET /", 504, 1.5, "instance 1", True, "killed")) == (
        "GET / -> 504 in 1.500 s (instance 1, cold start, killed)"
    )
    assert line_of(Changed("instance 1", "frozen")) == "instance 1: frozen"
    assert line_of(Logged("instance 1", "hello")) == "[instance 1] hello"
