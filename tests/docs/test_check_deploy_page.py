"""The transcript on the page about checking a deploy is what the command says."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringback.cli.commands import ringback
from ringback.testing import TestBroker

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "check-deploy.md"
HEAD = "from ringback.workflow import Context\n"


def test_the_transcript_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text()
    before, after = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (told,) = re.findall(r"```console\n\$ ringback (.*?)```", text, re.DOTALL)
    line, _, expected = told.partition("\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("shop.py").write_text(HEAD + after)
    with TestBroker() as broker:
        names: dict[str, object] = {}
        exec(before, names)
        broker.trigger(broker.serve(names["order"]), {"id": 7}, run_id="order-7")
        broker.run_until_idle()
        result = CliRunner().invoke(ringback, line.split())
    assert result.exit_code == 1
    assert _timeless(result.output) == _timeless(expected)


def _timeless(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text)
