"""Where the kernel cannot hold the file system, Python's own calls are refused."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, os, pathlib, sqlite3, sys
from ringback.simulate.inside import writes
from ringback.simulate.inside.reports import Reports

if sys.argv[3] == "python":
    writes.only_writable = lambda folders: False
said = []
Reports.say = lambda self, kind, **what: said.append([kind, what["path"], what["database"]])
allowed, refused = map(pathlib.Path, sys.argv[1:3])
guard = writes.Writes(Reports(os.pipe()[1]), [str(allowed)], refuse=sys.argv[3] != "nothing").watch()
outcome = []
for act in (
    lambda: (allowed / "a").write_text("x"),
    lambda: (allowed / "a").rename(allowed / "b"),
    lambda: (refused / "kept").read_text(),
    lambda: (refused / "a").write_text("x"),
    lambda: (refused / "folder").mkdir(),
    lambda: (refused / "kept").unlink(),
    lambda: os.replace(allowed / "b", refused / "b"),
    lambda: sqlite3.connect(refused / "shop.db").close(),
):
    try:
        act()
        outcome.append("done")
    except OSError as error:
        outcome.append(error.strerror)
print(json.dumps([guard, outcome, said]))
"""
READ_ONLY = "Read-only file system"


def outcome(tmp_path: Path, guard: str) -> tuple[str, list[str], list[list[object]]]:
    """Try everything in a process of its own: a guard is for ever."""
    for name in ("allowed", "refused"):
        (tmp_path / name).mkdir()
    (tmp_path / "refused" / "kept").write_text("kept")
    line = [sys.executable, "-c", SCRIPT, str(tmp_path / "allowed"), str(tmp_path / "refused"), guard]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    told, acts, said = json.loads(done.stdout)
    return told, acts, said


def test_writes_are_refused_by_python_alone(tmp_path: Path) -> None:
    guard, acts, said = outcome(tmp_path, "python")
    assert (guard, acts) == ("python", ["done"] * 3 + [READ_ONLY] * 4 + ["done"])
    assert [Path(str(path)).name for _, path, _ in said] == ["a", "folder", "kept", "b", "shop.db"]
    assert [database for _, _, database in said] == [False] * 4 + [True]
    assert (tmp_path / "refused" / "kept").exists()


def test_where_the_platform_lets_them_they_are_only_told(tmp_path: Path) -> None:
    guard, acts, said = outcome(tmp_path, "nothing")
    assert (guard, acts) == ("nothing", ["done"] * 8)
    assert len(said) == 5
