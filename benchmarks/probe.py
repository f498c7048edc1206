"""Asks a broker's API for small things all the time, from a process of its own, and tells how long the answers took.

A read of what is configured, a write, and a page of history, each over a connection of its own, twenty times a second.
Each call has its time: one that is late because the answer before it was late counts from when it should have been sent.
"""

import http.client
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.process import Broker

INTERVAL = 0.05
CALLS = (
    ("GET", "/v2/queues"),
    ("POST", "/v2/publish/http://127.0.0.1:9/later"),
    ("GET", "/v2/events?count=10"),
)


class Probe:
    """What was measured: of each call its method and path, when it was due, and the seconds until its answer was there."""

    def __init__(self, end: Connection) -> None:
        self._end = end
        self.answers: list[tuple[str, float, float]] = []

    def stop(self) -> None:
        """Ask no more, and take over what was measured."""
        self._end.send(None)
        self.answers = self._end.recv()

    def between(self, begun: float, ended: float, of: str = "") -> list[float]:
        """Return the seconds that calls took which were due in a time of `time.perf_counter`; all, or those of one kind."""
        return [took for name, at, took in self.answers if begun <= at <= ended and name.startswith(of)]


@contextmanager
def probing(running: Broker) -> Iterator[Probe]:
    """Ask for the length of a block, or until `stop`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_ask, args=(running.url, running.token, theirs), daemon=True)
    process.start()
    ours.recv()  # it has begun
    try:
        yield Probe(ours)
    finally:
        process.kill()
        process.join()


def _ask(url: str, token: str, end: Connection) -> None:
    answers: list[tuple[str, float, float]] = []
    stopped = threading.Event()
    askers = [threading.Thread(target=_repeat, args=(url, token, *one, answers, stopped)) for one in CALLS]
    for asker in askers:
        asker.start()
    end.send(None)
    end.recv()
    stopped.set()
    for asker in askers:
        asker.join()
    end.send(answers)


def _repeat(
    url: str, token: str, method: str, path: str, answers: list[tuple[str, float, float]], stopped: threading.Event
) -> None:
    headers = {"Authorization": f"Bearer {token}"} | ({"Upstash-Delay": "1d"} if method == "POST" else {})
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=600)
    due = time.perf_counter()
    while not stopped.wait(max(0.0, due - time.perf_counter())):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 202):
            raise SystemExit(f"{method} {path} was answered with {answer.status}")
        answers.append((f"{method} {path}", due, time.perf_counter() - due))
        due += INTERVAL
