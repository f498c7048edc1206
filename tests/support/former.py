"""Brokers of a former release: its source from git, run with the packages that are installed here."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Release:
    """A revision whose commands can be run.

    Attributes:
        name: what it is called in reports.
        settings: variables of the environment that make `python -m ringback` this release.
    """

    name: str
    settings: dict[str, str]

    def run(self, *line: str, **told: str) -> subprocess.CompletedProcess[str]:
        """Run a command of it to its end, whatever that is."""
        whole = [sys.executable, "-m", "ringback", *line]
        environment = {**os.environ, **self.settings, **told}
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=300, env=environment)


PRESENT = Release("present", {})


@contextmanager
def checked_out(revision: str) -> Iterator[Release]:
    """Have the source of a revision in a folder of its own for the length of a block.

    Raises:
        RuntimeError: another release would be run.
    """
    with TemporaryDirectory(prefix="ringback-former-") as name:
        folder = Path(name)
        archive = folder / "source.tar"
        line = ["git", "-C", str(_ROOT), "archive", "-o", str(archive), revision, "src"]
        subprocess.run(line, check=True, timeout=60)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        settings = {"PYTHONPATH": str(folder / "src")}
        asked = [sys.executable, "-c", "import ringback; print(ringback.__file__)"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True, env={**os.environ, **settings}).stdout
        if not found.startswith(str(folder)):
            raise RuntimeError(f"{found.strip()} would be run and not revision {revision}")
        yield Release(revision, settings)
