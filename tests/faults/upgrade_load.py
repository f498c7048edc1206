"""The load of the upgrade run: everything a client may ask for, of whichever broker is there."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from faults.upgrade_ledger import RATE, Ledger
from support.nodes import TOKEN

_PAUSE = 0.02
"""Seconds between two requests of a client; two cores have to carry brokers, database, endpoint and application."""
_MANY = 250
"""Messages that are canceled in several steps."""
_FLOW = "Upstash-Flow-Control-"
_ALWAYS = {"Upstash-Retry-Delay": "200", "Upstash-Retries": "30"}
_KINDS: dict[str, dict[str, str]] = {
    "plain": {"Upstash-Label": "of-plain"},
    "delayed": {"Upstash-Delay": "2s"},
    "keyed": {f"{_FLOW}Key": "key", f"{_FLOW}Value": "parallelism=3"},
    "rated": {f"{_FLOW}Key": "rated", f"{_FLOW}Value": f"rate={RATE}, period=1s"},
    "called-back": {},
    "dead": {"Upstash-Retries": "1", "Upstash-Retry-Delay": "100"},
    "never": {"Upstash-Delay": "30d"},
}
_READ = (
    "/v2/logs",
    "/v2/events?count=100",
    "/v2/logs?state=DELIVERED&label=of-plain",
    "/v2/dlq",
    "/v2/queues",
    "/v2/flowControl",
    "/v2/globalParallelism",
    "/v2/schedules",
    "/v2/topics",
    "/v2/bulkActions",
    "/v2/workflows/logs",
    "/v2/workflows/logs?state=RUN_SUCCESS",
    "/v2/workflows/events",
    "/v2/workflows/dlq",
    "/v2/statistics",
    "/v2/audit",
    "/v2/stalled",
    "/v2/keys",
    "/metrics",
    "/readyz",
)


@dataclass(frozen=True)
class There:
    """A broker that takes requests, and what release it is."""

    url: str
    release: str


@dataclass
class Load:
    """Clients that go on until they are told to stop.

    Args:
        ledger: where what happens is noted.
        targets: the brokers that are there at the moment.
        app: where the workflows are.
        http: for all clients.
    """

    ledger: Ledger
    targets: Callable[[], list[There]]
    app: str
    http: httpx.Client
    enough: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=count)

    def call(self, method: str, path: str, allowed: tuple[int, ...] = (), **options: object) -> httpx.Response | None:
        """Ask any of the brokers; None where there was no answer, or one that says that nothing was done."""
        there = self.targets()
        if not there:
            self.enough.wait(0.05)
            return None
        one = random.choice(there)
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}  # type: ignore[dict-item]
        try:
            answer = self.http.request(method, f"{one.url}{path}", headers=headers, **options)  # type: ignore[arg-type]
        except httpx.HTTPError:
            self.ledger.unknown += 1
            return None
        if answer.status_code == 503:
            self.ledger.refused += 1
            return None
        if answer.status_code >= 400 and answer.status_code not in allowed:
            what = f"{one.release}: {method} {path.partition('?')[0][:40]}: {answer.status_code} {answer.text[:200]}"
            self.ledger.faults[what] += 1
            return None
        return answer

    def publish(self) -> None:
        """One message of a random kind, in a random way."""
        kind = random.choices(list(_KINDS), (30, 20, 20, 5, 8, 5, 4))[0]
        headers = _ALWAYS | _KINDS[kind]
        path = f"{self.ledger.endpoint.url}/{kind}"
        if kind == "called-back":
            headers = headers | {"Upstash-Callback": f"{self.ledger.endpoint.url}/callback"}
            headers |= {"Upstash-Callback-Retries": "30", "Upstash-Callback-Retry-Delay": "200"}
        way = random.random() if kind in ("plain", "keyed") else 1
        if way < 0.15:
            self._batch(kind, path, headers)
        elif way < 0.3:
            self._twice(kind, path, headers)
        elif way < 0.4 and kind == "plain":
            self._group(headers)
        else:
            answer = self.call("POST", f"/v2/publish/{path}", headers=headers, content=b"x" * 200)
            self._note(answer, f"/{kind}")

    def _note(self, answer: httpx.Response | None, path: str) -> None:
        if answer is not None:
            told = answer.json()
            for one in told if isinstance(told, list) else [told]:
                self.ledger.acknowledged[one["messageId"]] = path

    def _batch(self, kind: str, path: str, headers: dict[str, str]) -> None:
        items = [{"destination": path, "headers": headers, "body": str(number)} for number in range(5)]
        self._note(self.call("POST", "/v2/batch", json=items), f"/{kind}")

    def _twice(self, kind: str, path: str, headers: dict[str, str]) -> None:
        name = f"once-{next(self.numbers)}"
        for _ in range(2):
            answer = self.call("POST", f"/v2/publish/{path}", headers=headers | {"Upstash-Deduplication-Id": name})
            self._note(answer, f"/{kind}")
            if answer is not None:
                self.ledger.by_dedup[name].add(answer.json()["messageId"])

    def _group(self, headers: dict[str, str]) -> None:
        self._note(self.call("POST", "/v2/publish/both", headers=headers), "/plain")

    def enqueue(self) -> None:
        """One message after the other, numbered, into a queue that keeps them in order; some into a wider one."""
        number = next(self.numbers)
        path = f"/v2/enqueue/line/{self.ledger.endpoint.url}/queued"
        self._note(self.call("POST", path, headers=_ALWAYS, content=str(number)), "/queued")
        self.enough.wait(0.05)  # one after the other is delivered, and some several times
        item = {"destination": f"{self.ledger.endpoint.url}/wide", "queue": "wide", "headers": _ALWAYS}
        self._note(self.call("POST", "/v2/batch", json=[item] * 6), "/wide")

    def trigger(self) -> None:
        """Start a run, and tell those that wait what they wait for."""
        name = f"n{next(self.numbers)}"
        workflow = "doomed" if random.random() < 0.1 else "order"
        more = (
            {"Upstash-Retries": "30", "Upstash-Retry-Delay": "200"} if workflow == "order" else {"Upstash-Retries": "0"}
        )
        answer = self.call("POST", f"/v2/trigger/{self.app}/{workflow}", headers=more, content=json.dumps(name))
        if answer is not None:
            self.ledger.runs[answer.json()["workflowRunId"]] = (workflow, name)
        self.notify()
        self.enough.wait(0.1)

    def notify(self) -> None:
        """Tell all orders that have not been told and may be waiting."""
        names = {name for workflow, name in self.ledger.runs.copy().values() if workflow == "order"}
        for name in names - self.ledger.notified:
            if self.ledger.steps[f"{name} last"]:  # it was told, and the answer was lost
                self.ledger.notified.add(name)
            elif self.ledger.steps[f"{name} left"] and self.ledger.steps[f"{name} right"]:
                answer = self.call("POST", f"/v2/notify/ready-{name}", content=json.dumps(f"event of {name}"))
                if answer is not None and answer.json():
                    self.ledger.notified.add(name)

    def cancel(self) -> None:
        """Cancel what would come in a month: one, or all of the moment."""
        waiting = list(self.ledger.of("/never") - self.ledger.canceled)
        if waiting and random.random() < 0.7:
            one = random.choice(waiting)
            if self.call("DELETE", f"/v2/messages/{one}", (404,)) is not None:
                self.ledger.canceled.add(one)
        elif self.call("DELETE", f"/v2/messages?url={self.ledger.endpoint.url}/never") is not None:
            self.ledger.canceled |= set(waiting)
        self.enough.wait(0.3)

    def steer(self) -> None:
        """Pause and resume; make a queue, fill it and delete it; cancel very many messages."""
        for kind, name in (("queues", "wide"), ("flowControl", "key")):
            self.call("POST", f"/v2/{kind}/{name}/pause", (404,))
            self.enough.wait(0.3)
            while self.call("POST", f"/v2/{kind}/{name}/resume", (404,)) is None and not self.enough.is_set():
                self.enough.wait(0.05)
        name = f"short-{next(self.numbers)}"
        item = {"destination": f"{self.ledger.endpoint.url}/never", "headers": _ALWAYS}
        if self.call("POST", "/v2/queues", json={"queueName": name, "parallelism": 2, "paused": True}) is not None:
            size = random.choice((5, _MANY))
            self.call("POST", "/v2/batch", json=[item | {"queue": name}] * size)
            self.call("DELETE", f"/v2/queues/{name}")
        later = item | {"headers": _ALWAYS | {"Upstash-Delay": "30d", "Upstash-Label": "of-many"}}
        answer = self.call("POST", "/v2/batch", json=[later] * _MANY)
        if answer is not None and self.call("DELETE", "/v2/messages?label=of-many") is not None:
            self.ledger.canceled |= {one["messageId"] for one in answer.json()}
        self.enough.wait(0.5)

    def read(self) -> None:
        """Ask for everything there is to read."""
        self.call("GET", random.choice(_READ))


@contextmanager
def working(load: Load) -> Iterator[None]:
    """Let all clients work for the length of a block."""

    def again(act: Callable[[], None]) -> None:
        while not load.enough.is_set():
            try:
                act()
            except Exception as error:
                load.ledger.faults[f"a client: {type(error).__name__} {error}"] += 1
            load.enough.wait(_PAUSE)

    load.enough.clear()
    acts = (load.publish, load.publish, load.publish, load.enqueue, load.trigger, load.cancel, load.steer, load.read)
    threads = [threading.Thread(target=again, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        load.enough.set()
        for thread in threads:
            thread.join()
