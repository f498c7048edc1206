"""What holds for all tests."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.postgres import Server, serving

# Deadlines and the check for slow generation measure how busy the machine is, not the code
settings.register_profile("ringback", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ringback")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests with the same id only one would be run where tests run side by side, and nobody would be told."""
    twice = [name for name, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"these ids belong to several tests: {', '.join(twice)}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for all tests of this process; each test makes its own database."""
    with serving() as server:
        yield server
