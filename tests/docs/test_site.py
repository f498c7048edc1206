"""The docs site is built, and its search finds every page."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_complaint() -> None:
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--clean", "--strict"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    found = json.dumps(json.loads((ROOT / "build" / "site" / "search.json").read_text()))
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() in found
