"""Simulated deployments for the tests of the simulator; the applications are in `apps`."""

from pathlib import Path

import pytest

from ringback.simulate.pytest import simulate

__all__ = ["simulate"]

APPS = Path(__file__).parent / "apps"


@pytest.fixture
def apps() -> Path:
    """Where the small applications are."""
    return APPS
