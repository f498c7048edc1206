"""A real broker process and a real endpoint for the official clients."""

from collections.abc import Iterator

import pytest

from support.endpoint import Answer, Endpoint, Received, listening
from support.process import BrokerProcess, running


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint that answers 200, and 500 below /fail."""

    def respond(request: Received) -> Answer:
        return Answer(500, b"boom", {"Content-Type": "text/plain"}) if request.path.startswith("/fail") else Answer()

    with listening(respond) as listener:
        yield listener
