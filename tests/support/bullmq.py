"""BullMQ in six versions that write and work on queues, and imports of them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from ringback.client import Transport
from ringback.importing.bullmq.importing import Import
from ringback.importing.bullmq.moving import Patience
from ringback.importing.bullmq.redis_queue import RedisQueue
from ringback.importing.bullmq.wishes import Wishes
from support.npm import require_packages

NODE = Path(__file__).parents[1] / "importing" / "node"
VERSIONS = ("bullmq1", "bullmq3", "bullmq4", "bullmq512", "bullmq581", "bullmq6")


@dataclass
class BullMQ:
    """Writes queues with one version of BullMQ."""

    version: str
    port: int

    def do(self, queue: str, *operations: list[Any]) -> list[Any]:
        """Carry out operations of `queues.mjs` and return what each has said."""
        done = subprocess.run(
            ["node", "queues.mjs", self.version, str(self.port), queue],
            cwd=NODE,
            input=json.dumps(operations),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return results

    @contextmanager
    def working(self, queue: str) -> Iterator[None]:
        """Have a worker that holds eight jobs at a time and ends one for each of the `tickets`, for the length of a block."""
        command = ["node", "worker.mjs", self.version, str(self.port), queue]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        worker = subprocess.Popen(command, cwd=NODE, text=True, **pipes)
        assert worker.stdin
        assert worker.stdout
        try:
            assert worker.stdout.readline() == "working\n" or "working" in worker.stdout.readline()
            yield
        finally:
            worker.stdin.close()
            worker.kill()
            worker.wait(10)
            worker.stdout.close()


def require_bullmq() -> None:
    """Install the versions where they are missing."""
    require_packages(NODE, "BullMQ")


@dataclass
class Desk:
    """Makes imports of one queue to one endpoint."""

    store: "redis.Redis"
    transport: Transport
    queue: str
    url: str

    def an_import(
        self, *, destination: str | None = None, pause: bool = True, parallelism: int | None = None, **wishes: Any
    ) -> Import:
        told = Wishes(destination or self.url, self.queue, **wishes)
        patience = Patience(running=0.5, stalled=0.2)
        queue = RedisQueue(self.store, "bull", self.queue)
        return Import(queue, self.transport, told, parallelism, pause, patience)
