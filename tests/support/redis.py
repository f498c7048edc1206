"""A Redis server of the test's own, on a free port of 127.0.0.1, that keeps nothing."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from support.endpoint import eventually


@dataclass
class RedisServer:
    """A running server."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"


def require_redis() -> None:
    """Skip in the open where there is no Redis, fail in CI."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing: `make test` installs it")
        pytest.skip("redis-server is missing: `make test` installs it")


@contextmanager
def redis_running() -> Iterator[RedisServer]:
    """Run a server for the length of a block."""
    require_redis()
    server = _start()
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait(10)


def _start() -> RedisServer:
    """Another process may take a free port before we do; then another one is tried."""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        server = RedisServer(subprocess.Popen(command, stdout=subprocess.DEVNULL), port)
        eventually(lambda server=server: server.process.poll() is not None or _answers(server.port))
        if server.process.poll() is None:
            return server
    raise RuntimeError("Redis could not be started")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
