"""What happened in the histories of a run is counted, and told at its end where somebody asked for a number of seeds."""

import os
from collections import Counter

import pytest

HAPPENED = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[HAPPENED] = Counter()


@pytest.fixture
def happened(request: pytest.FixtureRequest) -> Counter[str]:
    """Counts what happened in all histories of this run."""
    return request.config.stash[HAPPENED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    happened = config.stash[HAPPENED]
    if "SEEDS" not in os.environ or not happened:
        return
    terminalreporter.section("what happened in these histories")
    for what, times in sorted(happened.items()):
        terminalreporter.write_line(f"{times:>10} {what}")
