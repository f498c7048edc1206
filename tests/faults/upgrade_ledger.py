"""The ledger of the upgrade run: what brokers acknowledged, what the endpoint got, and what has to agree."""

import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.endpoint import Answer, Endpoint, Received, eventually

LIMITS = {"/keyed": 3, "/queued": 1, "/wide": 3}
"""Most requests at once on a path."""
RATE = 10
"""Starts in a second on `/rated`."""
FAILING = ("/dead",)
NEVER = ("/never",)
SETTLED_WITHIN = 120.0


@dataclass
class Ledger:
    """What was told and what came.

    Attributes:
        acknowledged: the path of each message that a broker said it has.
        of_batch: how many of them came in a batch, or by a URL group.
        canceled: messages that brokers said they canceled.
        by_dedup: the messages that were named for each deduplication id.
        runs: by run id, what was triggered: workflow and name.
        notified: names of orders that have had their event.
        through: how often a message was answered with 200.
        faults: what no broker may say, and at which release.
    """

    acknowledged: dict[str, str] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    by_dedup: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)
    notified: set[str] = field(default_factory=set)
    through: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    called_back: set[str] = field(default_factory=set)
    ticks: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    in_order: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    refused: int = 0
    may_succeed: bool = False
    endpoint: Endpoint = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _now: Counter[str] = field(default_factory=Counter)

    def respond(self, request: Received) -> Answer:
        """Count a request; one in ten of those that may be repeated fails."""
        path = request.path.partition("?")[0]
        if len(self.endpoint.received) > 1000:
            self.endpoint.received.clear()
        if path == "/may":
            return Answer(200 if self.may_succeed else 500)
        if path == "/step":
            with self._lock:
                self.steps[request.body.decode()] += 1
            return Answer()
        if path == "/asked":
            return Answer(200 if random.random() > 0.1 else 503)
        with self._counted(path):
            return self._taken(path, request)

    @contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        with self._lock:
            self._now[path] += 1
            self.most[path] = max(self.most[path], self._now[path])
        threading.Event().wait(0.003)
        try:
            yield
        finally:
            with self._lock:
                self._now[path] -= 1

    def _taken(self, path: str, request: Received) -> Answer:
        message = request.headers["upstash-message-id"]
        failed = path in FAILING or random.random() < 0.1
        with self._lock:
            self.attempts[message] += 1
            self.through[message] += not failed
            if path == "/queued" and self.attempts[message] == 1:
                self.in_order.append(int(request.body))
            if path == "/callback" and not failed:
                self.called_back.add(json.loads(request.body)["sourceMessageId"])
            if path == "/tick" and not failed:
                self.ticks[request.headers["upstash-schedule-id"]].add(message)
        return Answer(500 if failed else 200)

    def of(self, *paths: str) -> set[str]:
        """Return the acknowledged messages of some paths."""
        return {one for one, path in self.acknowledged.copy().items() if path in paths}

    def to_come(self) -> set[str]:
        """Return what was acknowledged and has not got through."""
        without = self.of(*FAILING, *NEVER)
        return {one for one in self.acknowledged.copy() if not self.through[one]} - without

    def wait_for_all(self) -> None:
        """Wait until everything has got through, as long as anything still comes."""
        while left := len(self.to_come()):
            eventually(lambda left=left: len(self.to_come()) < left, SETTLED_WITHIN)  # type: ignore[misc]
        eventually(lambda: self.of("/called-back") <= self.called_back, SETTLED_WITHIN)

    def hold(self) -> None:
        """Check what the endpoint saw.

        Raises:
            AssertionError: a promise was broken.
        """
        assert not self.faults, self.faults
        assert not self.to_come()
        assert not {path: self.most[path] for path, most in LIMITS.items() if self.most[path] > most}
        assert self.in_order == sorted(self.in_order), "a queue lost its order"
        assert not [one for one in self.of(*NEVER) if self.attempts[one]], "what waits for a month was delivered"
        doubled = {name: found for name, found in self.by_dedup.items() if len(found) > 1}
        assert not doubled, f"one deduplication id, several messages: {doubled}"

    def report(self, what: str) -> str:
        """Return the figures."""
        kinds = Counter(self.acknowledged.values())
        again = sum(max(0, count - 1) for count in self.through.values())
        return (
            f"\n{what}: {len(self.acknowledged)} messages acknowledged"
            f" ({', '.join(f'{count} {path}' for path, count in sorted(kinds.items()))}), {len(self.runs)} runs,"
            f" {len(self.canceled)} canceled, {sum(map(len, self.ticks.values()))} ticks; {len(self.to_come())} lost,"
            f" {again} delivered once more than needed, {self.unknown} requests without an answer, {self.refused} refused with"
            f" 503; most at once {dict(sorted((p, self.most[p]) for p in LIMITS))}"
        )
