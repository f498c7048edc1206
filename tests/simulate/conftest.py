"""Simulated deployments for the tests of the simulator; the applications are in `apps`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringback.simulate.pytest import simulate
from support.process import BrokerProcess, running

__all__ = ["simulate", "variables"]

APPS = Path(__file__).parent / "apps"


@pytest.fixture
def apps() -> Path:
    """Where the small applications are."""
    return APPS


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


def variables(broker: BrokerProcess) -> dict[str, str]:
    """Return what tells an application of the broker."""
    return {
        "QSTASH_URL": broker.url,
        "QSTASH_TOKEN": broker.token,
        "QSTASH_CURRENT_SIGNING_KEY": broker.current_key,
        "QSTASH_NEXT_SIGNING_KEY": broker.next_key,
    }
