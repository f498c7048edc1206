"""Several brokers on one PostgreSQL, each in a process of its own, as an operator starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx

TOKEN = "a-token-for-several-nodes"
KEYS = ("sig_current_of_several_nodes", "sig_next_of_several_nodes")
TIMEOUT = "3s"


@dataclass
class NodeProcess:
    """A running `ringback serve`."""

    process: subprocess.Popen[str]
    url: str
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Take it away, whatever it does, and read what is left of its output."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def call(self, method: str, path: str, **options: object) -> httpx.Response:
        """Call its API."""
        return httpx.request(method, f"{self.url}{path}", headers=self.headers, timeout=20, **options)  # type: ignore[arg-type]


def start(address: str, log: Path | None = None, **settings: str) -> NodeProcess:
    """Start a broker on a database and wait until it listens.

    Args:
        address: the database.
        log: where its log goes, rather than to the log of the tests.
        settings: further variables of its environment.
    """
    told = {
        "QSTASH_TOKEN": TOKEN,
        "QSTASH_CURRENT_SIGNING_KEY": KEYS[0],
        "QSTASH_NEXT_SIGNING_KEY": KEYS[1],
        "RINGBACK_DATABASE": address,
        "RINGBACK_ALLOW_PRIVATE": "true",
        "RINGBACK_NODE_TIMEOUT": TIMEOUT,
        "PYTHONUNBUFFERED": "1",
    }
    line = [sys.executable, "-m", "ringback", "serve", "--port", "0"]
    environment = {**os.environ, **told, **settings}
    with log.open("ab") if log else nullcontext() as to:
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=to, text=True, env=environment)
    assert process.stdout is not None
    for output in process.stdout:
        name, _, value = output.strip().partition("=")
        if name == "QSTASH_URL":
            return NodeProcess(process, value)
    raise RuntimeError(f"the broker ended with status {process.wait()}")


@contextmanager
def running(address: str, **settings: str) -> Iterator[NodeProcess]:
    """Run a broker on a database for the length of a block."""
    node = start(address, **settings)
    try:
        yield node
    finally:
        node.end()


@contextmanager
def two_nodes(address: str, **settings: str) -> Iterator[tuple[NodeProcess, NodeProcess]]:
    """Run two brokers on one database for the length of a block."""
    with running(address, **settings) as first, running(address, **settings) as second:
        yield first, second
