"""What happened in the histories of a run is counted, and told at its end where somebody asked for a number of seeds."""

import os
from collections import Counter

import pytest

HAPPENED = pytest.StashKey[Counter[str]]()
MET = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[HAPPENED] = Counter()
    config.stash[MET] = Counter()


@pytest.fixture
def happened(request: pytest.FixtureRequest) -> Counter[str]:
    """Counts what happened in all histories of this run."""
    return request.config.stash[HAPPENED]


@pytest.fixture
def met(request: pytest.FixtureRequest) -> Counter[str]:
    """Counts what happened in all histories on PostgreSQL."""
    return request.config.stash[MET]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for key, title in ((HAPPENED, "these histories"), (MET, "the histories on PostgreSQL")):
        happened = config.stash[key]
        if "SEEDS" not in os.environ or not happened:
            continue
        terminalreporter.section(f"what happened in {title}")
        for what, times in sorted(happened.items()):
            terminalreporter.write_line(f"{times:>10} {what}")
