"""The transcripts on the pages of our tools are what the commands say."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ringback.cli.commands import ringback
from ringback.testing import Answer, TestBroker

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
HEAD = "from ringback.workflow import Context\n"


def blocks(page: str, kind: str) -> list[str]:
    """Return the blocks of one kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (GUIDES / page).read_text(), re.DOTALL | re.MULTILINE)


def check(transcript: str, status: int) -> None:
    """Run the command of a transcript and compare what it says; times and ids differ."""
    line, _, told = transcript.partition("\n")
    result = CliRunner().invoke(ringback, line.removeprefix("$ ringback ").split())
    assert result.exit_code == status, result.output
    assert _plain(result.stdout) == _plain(told)


def _plain(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|msg_[0-9a-f]{16}", "<...>", text)


def test_checking_a_deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = blocks("check-deploy.md", "python")
    (transcript,) = blocks("check-deploy.md", "console")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("shop.py").write_text(HEAD + after)
    names: dict[str, Any] = {}
    exec(before, names)
    with TestBroker() as broker:
        broker.trigger(names["order"], {"id": 7}, run_id="order-7")
        broker.run_until_idle()
        check(transcript, 1)


def test_looking_for_what_is_in_the_way() -> None:
    doctor, why = blocks("preflight.md", "console")
    names: dict[str, Any] = {}
    exec("\n".join(blocks("preflight.md", "python")), names)
    with TestBroker() as broker:
        broker.mount(names["app"], "https://shop.example")
        check(doctor, 1)
        broker.stub("https://shop.example/hooks", Answer(503))
        broker.publish(
            "https://shop.example/hooks/stock", {"sku": 7}, upstash_retries="9", upstash_retry_delay="3600000"
        )
        broker.turn("2h30m")
        check(why, 1)
