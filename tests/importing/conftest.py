"""A real Redis, real versions of BullMQ, and a real broker with an endpoint behind it."""

from collections.abc import Iterator
from itertools import count

import pytest
import redis

from ringback.client import Broker, Transport
from ringback.importing.bullmq.redis_queue import connect
from support.bullmq import Desk, require_bullmq
from support.endpoint import Endpoint, listening
from support.process import BrokerProcess, running
from support.redis import RedisServer, redis_running

_numbers = count()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    require_bullmq()
    with redis_running() as server:
        yield server


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    """A connection to a Redis without a key."""
    connection = connect(redis_server.url)
    connection.flushall()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture
def transport(broker: BrokerProcess) -> Iterator[Transport]:
    transport = Transport(Broker(broker.url, broker.token))
    yield transport
    transport.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with listening() as listener:
        yield listener


@pytest.fixture
def queue_name() -> str:
    """A name that no other test has, for the broker is shared."""
    return f"videos{next(_numbers)}"


@pytest.fixture
def desk(store: "redis.Redis", transport: Transport, queue_name: str, endpoint: Endpoint) -> Desk:
    return Desk(store, transport, queue_name, f"{endpoint.url}/jobs")
