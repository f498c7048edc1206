"""A real broker in a process of its own, shared by the tests of this folder."""

from collections.abc import Iterator

import pytest

from ringback.client import Broker
from support.process import running


@pytest.fixture(scope="session")
def real_broker() -> Iterator[Broker]:
    """Run `ringback dev` on a free port."""
    with running() as process:
        yield Broker(process.url, process.token, (process.current_key, process.next_key))
