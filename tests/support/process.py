"""A broker in a process of its own, as a user starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class BrokerProcess:
    """A running `ringback dev`."""

    process: subprocess.Popen[str]
    url: str
    token: str
    current_key: str
    next_key: str

    def kill(self) -> None:
        """Take the process away as a power cut would."""
        self.process.kill()
        self.process.wait(10)


def start(*arguments: str, command: str = "dev", python: str = sys.executable) -> BrokerProcess:
    """Start a broker on a free port and wait until it listens."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    line = [python, "-m", "ringback", command, "--port", "0", *arguments]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
    told: dict[str, str] = {}
    assert process.stdout is not None
    for output in process.stdout:
        name, separator, value = output.strip().partition("=")
        if separator:
            told[name] = value
        if name == "QSTASH_NEXT_SIGNING_KEY":
            break
    else:
        raise RuntimeError(f"the broker ended with status {process.wait()}")
    return BrokerProcess(
        process,
        told["QSTASH_URL"],
        told["QSTASH_TOKEN"],
        told["QSTASH_CURRENT_SIGNING_KEY"],
        told["QSTASH_NEXT_SIGNING_KEY"],
    )


@contextmanager
def running(database: Path | str | None = None) -> Iterator[BrokerProcess]:
    """Run a broker for the length of a block."""
    broker = start(*(["--db", str(database)] if database else []))
    try:
        yield broker
    finally:
        if broker.process.poll() is None:
            broker.process.send_signal(signal.SIGTERM)
            broker.process.wait(20)
        if broker.process.stdout:
            broker.process.stdout.close()
