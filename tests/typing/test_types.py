"""Type checkers see what users are promised."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.node import FOLDER, require_clients

FILES = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_the_promised_types_are_seen(file: Path) -> None:
    line = [sys.executable, "-m", "mypy", "--no-error-summary", str(file)]
    checked = subprocess.run(line, capture_output=True, text=True, check=False, cwd=file.parents[2])
    assert checked.stdout + checked.stderr == ""


@pytest.mark.node
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_pyright_sees_them_too(file: Path) -> None:
    require_clients()
    pyright = FOLDER / "node_modules" / ".bin" / "pyright"
    line = [str(pyright), "--pythonpath", sys.executable, str(file)]
    checked = subprocess.run(line, capture_output=True, text=True, check=False, cwd=file.parents[2], timeout=100)
    assert checked.returncode == 0, checked.stdout
