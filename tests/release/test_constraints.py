"""The pinned versions install on every Python that the project supports."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def test_what_is_pinned_takes_the_oldest_python() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest = f"{wanted.removeprefix('>=')}.0"
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split()}
    needs = {
        one.name: need
        for one in distributions()
        if one.name.lower().replace("_", "-") in pinned and (need := one.metadata.get("Requires-Python"))
    }
    assert len(needs) > len(pinned) / 2
    assert {name: need for name, need in needs.items() if oldest not in SpecifierSet(need)} == {}
