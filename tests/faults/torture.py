"""Minutes of kill -9 under load, with a ledger of what was acknowledged and what arrived. Not part of the tests:

make torture MINUTES=5
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from support import nodes, process
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.postgres import serving

SECONDS = float(os.environ.get("MINUTES", "5")) * 60
_PUBLISHERS = 6
_SETTLED_WITHIN = 120.0
_KINDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("publish/{url}/plain", {}),
    ("publish/{url}/delayed", {"Upstash-Delay": "2s"}),
    ("publish/{url}/keyed", {"Upstash-Flow-Control-Key": "key", "Upstash-Flow-Control-Value": "parallelism=8"}),
    ("enqueue/line/{url}/queued", {}),
)
_SHARES = (50, 24, 24, 2)
"""Out of a hundred; a queue delivers one after the other, and would take long to be empty."""


class Ledger:
    """What was acknowledged, and what arrived how often."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.arrived: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.refused = 0
        self.kills = 0
        self.endpoint: Endpoint

    def respond(self, request: Received) -> Answer:
        """Fail each seventh attempt."""
        message = request.headers["upstash-message-id"]
        self.arrived[message] += 1
        if len(self.endpoint.received) > 1000:
            self.endpoint.received.clear()
        if random.random() < 1 / 7:
            self.failed[message] += 1
            return Answer(500)
        return Answer()

    def missing(self) -> set[str]:
        """Return what was acknowledged and never got through."""
        return {one for one in list(self.acknowledged) if self.arrived[one] <= self.failed[one]}

    def wait_for_all(self) -> None:
        """Wait until all has got through, as long as anything still comes."""
        while missing := len(self.missing()):
            eventually(lambda missing=missing: len(self.missing()) < missing, _SETTLED_WITHIN)  # type: ignore[misc]

    def report(self, where: str, ended: Counter[str], seconds: float) -> str:
        """Return the figures."""
        known = self.acknowledged
        again = sum(self.arrived[one] - self.failed[one] - 1 for one in known)
        unknown = len(self.arrived.keys() - known.keys())
        return (
            f"\n{where}: {self.kills} kills in {seconds / 60:.1f} min; {len(known)} acknowledged"
            f" ({', '.join(f'{count} {path}' for path, count in sorted(Counter(known.values()).items()))}),"
            f" {len(self.missing())} lost, {again} delivered once more than needed, {unknown} arrived whose"
            f" acknowledgement was lost, {sum(1 for count in ended.values() if count > 1)} ended twice"
        )


@contextmanager
def load(ledger: Ledger, targets: Callable[[], list[tuple[str, str]]]) -> Iterator[None]:
    """Publish for the length of a block, to any of the brokers (address and token) that are there."""
    enough = threading.Event()

    def publish() -> None:
        with httpx.Client(timeout=10) as http:
            while not enough.is_set():
                there = targets()
                if not there:
                    enough.wait(0.01)
                    continue
                url, token = random.choice(there)
                ((path, more),) = random.choices(_KINDS, _SHARES)
                always = {"Authorization": f"Bearer {token}", "Upstash-Retry-Delay": "200", "Upstash-Retries": "20"}
                try:
                    place = f"{url}/v2/{path.format(url=ledger.endpoint.url)}"
                    answer = http.post(place, headers=always | more, content=b"x" * 300)
                except httpx.HTTPError:
                    continue
                if answer.status_code == 200:
                    ledger.acknowledged[answer.json()["messageId"]] = path.rpartition("/")[2]
                else:
                    ledger.refused += 1

    threads = [threading.Thread(target=publish) for _ in range(_PUBLISHERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def a_moment(longest: float) -> None:
    """Let work go on for a random time."""
    threading.Event().wait(random.uniform(0, longest))


def test_one_broker_on_sqlite(tmp_path: Path) -> None:
    ledger, database, began = Ledger(), tmp_path / "ringback.db", time.monotonic()
    up: list[process.BrokerProcess] = []
    with listening(ledger.respond) as ledger.endpoint:
        with load(ledger, lambda: [(one.url, one.token) for one in up]):
            while time.monotonic() - began < SECONDS:
                if random.random() < 0.2:  # while it starts, too
                    line = [sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", str(database)]
                    starting = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    a_moment(0.8)
                    starting.kill()
                    starting.wait()
                else:
                    broker = process.start("--db", str(database))
                    up.append(broker)
                    a_moment(4)
                    broker.kill()
                    up.clear()
                    assert broker.process.stdout
                    broker.process.stdout.close()
                ledger.kills += 1
        with process.running(database) as broker:
            headers = {"Authorization": f"Bearer {broker.token}"}
            ledger.wait_for_all()
            known = f"{broker.url}/v2/queues"
            eventually(lambda: {one["lag"] for one in httpx.get(known, headers=headers).json()} == {0}, _SETTLED_WITHIN)
            counted = f"{broker.url}/v2/globalParallelism"
            eventually(lambda: httpx.get(counted, headers=headers).json()["parallelismCount"] == 0, _SETTLED_WITHIN)
            assert httpx.get(f"{broker.url}/v2/dlq", headers=headers).json()["messages"] == []
    looked = subprocess.run(
        [sys.executable, "-m", "ringback", "doctor", "--db", str(database)], capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stdout
    ended = _ended(database)
    print(ledger.report("SQLite", ended, time.monotonic() - began))
    assert set(ended.values()) == {1}
    assert set(ledger.acknowledged) <= set(ended)


def test_two_nodes_on_postgresql() -> None:
    ledger, began = Ledger(), time.monotonic()
    with serving(durable=True) as server, listening(ledger.respond) as ledger.endpoint, ExitStack() as held:
        address = server.fresh()
        name = address.rpartition("/")[2]
        up = [nodes.start(address), nodes.start(address)]
        held.callback(lambda: [one.end() for one in up])
        with load(ledger, lambda: [(one.url, nodes.TOKEN) for one in up]):
            while time.monotonic() - began < SECONDS:
                a_moment(3)
                victim = random.choice(up)
                victim.process.kill()
                victim.end()
                ledger.kills += 1
                a_moment(2)
                up[up.index(victim)] = nodes.start(address)
        ledger.wait_for_all()
        waiting = "SELECT count(*) FROM ringback.deliveries"
        eventually(lambda: server.query(name, waiting) == "0", _SETTLED_WITHIN)
        assert up[0].call("GET", "/v2/dlq").json()["messages"] == []
        assert up[0].call("GET", "/v2/globalParallelism").json()["parallelismCount"] == 0
        ends = "SELECT message FROM ringback.events WHERE state IN ('DELIVERED', 'FAILED')"
        ended = Counter(f"msg_{int(one):016x}" for one in server.query(name, ends).split())
        print(ledger.report("Two nodes on PostgreSQL", ended, time.monotonic() - began))
        assert set(ended.values()) == {1}
        assert set(ledger.acknowledged) <= set(ended)


def _ended(database: Path) -> Counter[str]:
    """Return how many ends each message has."""
    import apsw

    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    rows = connection.execute("SELECT message FROM events WHERE state IN ('DELIVERED', 'FAILED')")
    ended = Counter(f"msg_{message:016x}" for (message,) in rows)
    connection.close()
    return ended
