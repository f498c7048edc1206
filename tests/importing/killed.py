"""A program for the tests: imports a queue, or rolls it back, and is killed at a given step; then does it again, to the end.

Reads JSON lines of what to do, and answers each with the account. Each import is a process of its own, which ends by SIGKILL.
"""

import json
import os
import signal
import sys
from typing import Any

import httpx

from ringback.client import Broker, Transport
from ringback.importing.bullmq.importing import Import
from ringback.importing.bullmq.moving import Patience
from ringback.importing.bullmq.redis_queue import RedisQueue, connect
from ringback.importing.bullmq.wishes import Wishes


class Forgetful(httpx.HTTPTransport):
    """The way to a broker whose deduplication window is over as soon as it has begun."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request without its deduplication ids."""
        body = request.read().replace(b"Upstash-Deduplication-Id", b"X-Forgotten")
        headers = [line for line in request.headers.multi_items() if line[0] != "content-length"]
        return super().handle_request(httpx.Request(request.method, request.url, headers=headers, content=body))


def main() -> None:
    """Do what each line says."""
    for line in sys.stdin:
        told = json.loads(line)
        killed = in_a_process(told, told["kill_at"])
        again = None if told.get("only_once") else in_a_process(told, 0)
        print(json.dumps({"killed": killed is None, **(again or {})}), flush=True)


def in_a_process(told: dict[str, Any], kill_at: int) -> dict[str, Any] | None:
    """Return what an import in a process of its own says, None when it was killed."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, json.dumps(work(told, kill_at)).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def work(told: dict[str, Any], kill_at: int) -> dict[str, Any]:
    """Import or roll back; SIGKILL comes right after step number `kill_at`, 0 for never."""
    steps: list[str] = []

    def watch(step: str, _count: int) -> None:
        steps.append(step)
        if len(steps) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    an_import = Import(
        RedisQueue(connect(told["redis"]), told["prefix"], told["queue"]),
        Transport(Broker(told["broker"], told["token"]), Forgetful() if told.get("forgetful") else None),
        Wishes(told["url"], told["queue"], told.get("into")),
        patience=Patience(0, 0.02),
        watch=watch,
    )
    if told.get("rollback"):
        done = an_import.roll_back(5)
        return {"back": done.back, "ran": done.ran, "busy": done.busy, "steps": len(steps)}
    account = an_import.carry_out()
    return {
        "problems": account.problems,
        "found": account.found,
        "moved": account.moved,
        "stayed": account.stayed,
        "steps": len(steps),
    }


main()
