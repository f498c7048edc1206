"""The transcript on the simulator's page is what the command prints."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "simulator.md"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
TRANSCRIPT = re.compile(r"<!-- transcript -->\n```console\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_transcript_is_true(tmp_path: Path) -> None:
    page = PAGE.read_text()
    _write_files(page, tmp_path)
    [(command, expected)] = TRANSCRIPT.findall(page)
    words = command.replace("ringback", "-m ringback", 1).replace("--port 8000", "--port 0").split()
    words[words.index("python")] = sys.executable
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 20, done.stderr
    assert _told(done.stdout) == _told(expected)


def test_the_test_on_the_page_finds_what_it_says(tmp_path: Path) -> None:
    _write_files(PAGE.read_text(), tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        "test_shop.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout
    assert "assert 500 == 200" in done.stdout


def _write_files(page: str, folder: Path) -> None:
    for name, text in FILE.findall(page):
        (folder / name).write_text(text)


def _told(text: str) -> list[str]:
    """Return the words without what differs from run to run; the application's own lines are not shown on the page."""
    # which guard holds the file system depends on the machine
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith(("[instance", "file system:"))]
    return re.sub(r"\d+\.\d+|:\d{4,5}\b", "#", " ".join(lines)).split()  # long numbers break lines elsewhere
