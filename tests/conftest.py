"""What holds for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.postgres import Server, serving

# Deadlines and the check for slow generation measure how busy the machine is, not the code
settings.register_profile("ringback", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ringback")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for the whole run; each test makes its own database."""
    with serving() as server:
        yield server
