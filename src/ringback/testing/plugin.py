"""Fixtures for pytest: name this module in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from ringback.testing.blocking import TestBroker


@pytest.fixture
def ringback_broker() -> Iterator[TestBroker]:
    """A `TestBroker`, open for the length of the test."""
    with TestBroker() as broker:
        yield broker
