"""An import that is killed after any of its steps and run again loses nothing and sends nothing twice."""

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from ringback.client import Transport, management
from support.bullmq import BullMQ
from support.endpoint import Endpoint
from support.process import BrokerProcess
from support.redis import RedisServer

Killed = Callable[..., dict[str, Any]]
_SETS = ("prioritized", "delayed", "failed", "repeat")
_LISTS = ("wait", "paused", "active")


@pytest.fixture
def killed(redis_server: RedisServer, broker: BrokerProcess, queue_name: str) -> Iterator[Killed]:
    """Run an import that is killed at a step, and then again."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout

    def run(prefix: str, kill_at: int, **told: Any) -> dict[str, Any]:
        line = {"redis": redis_server.url, "broker": broker.url, "token": broker.token, "prefix": prefix}
        process.stdin.write(json.dumps(line | {"queue": queue_name, "kill_at": kill_at} | told) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    yield run
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def queue(store: "redis.Redis", redis_server: RedisServer, queue_name: str) -> str:
    """A queue that has everything: jobs in each state, a job to keep last, schedules, and a flow that has to stay."""
    BullMQ("bullmq581", redis_server.port).do(
        queue_name,
        ["add", "job", {"n": "failed"}, {}],
        ["fail", 1, "no"],
        ["add", "job", {"n": "stalled"}, {}],
        ["add", "job", {"n": "owner"}, {"deduplication": {"id": "last", "keepLastIfActive": True}}],
        ["take", 2],
        ["add", "job", {"n": "kept"}, {"deduplication": {"id": "last", "keepLastIfActive": True}}],
        ["add", "job", {"n": "one"}, {}],
        ["add", "job", {"n": "two"}, {"priority": 2}],
        ["add", "job", {"n": "later"}, {"delay": 3_600_000}],
        ["upsert", "nightly", {"pattern": "0 3 * * *", "tz": "UTC"}, {"name": "job", "data": {"n": "tick"}}],
        ["upsert", "few", {"every": 86_400_000, "startDate": 4102444800000}, {"name": "job", "data": {"n": "no"}}],
        ["flow", {"name": "job", "queueName": queue_name, "data": {"n": "parent"},
                  "children": [{"name": "job", "queueName": queue_name, "data": {"n": "child"}}]}],
    )  # fmt: skip
    for lock in store.scan_iter(match=f"bull:{queue_name}:*:lock"):
        store.delete(lock)
    return queue_name


def copied(store: "redis.Redis", queue: str, prefix: str) -> None:
    """Write the queue a second time under another prefix."""
    for key in list(store.scan_iter(match=f"bull:{queue}:*")):
        store.copy(key, prefix + key[len("bull") :])


def places(store: "redis.Redis", base: str) -> dict[str, Any]:
    """Return what stands where."""
    lists: dict[str, Any] = {place: store.lrange(base + place, 0, -1) for place in _LISTS}
    sets = {place: store.zrange(base + place, 0, -1, withscores=True) for place in _SETS}
    return lists | sets | {"kept": sorted(store.scan_iter(match=f"{base}dn:*"))}


def jobs_at_the_broker(transport: Transport, store: "redis.Redis", base: str) -> Counter[str]:
    label = f"import-{store.hget(f'{base}ringback:import', 'token')}"
    events = transport.send(management.events({"label": label, "state": "CREATED"}, count=1000)).items
    return Counter(str(json.loads(base64.b64decode(one["body"]))["n"]) for one in events)


EXPECTED = Counter(["failed", "stalled", "owner", "kept", "one", "two", "later"])


def test_killed_after_any_step_it_goes_on(
    store: "redis.Redis", queue: str, killed: Killed, transport: Transport, endpoint: Endpoint
) -> None:
    step, deaths = 0, 0
    while True:
        step += 1
        prefix = f"copy{step}"
        copied(store, queue, prefix)
        done = killed(prefix, step, url=f"{endpoint.url}/jobs")
        assert done["problems"] == [], f"killed after step {step}"
        assert jobs_at_the_broker(transport, store, f"{prefix}:{queue}:") == EXPECTED, f"killed after step {step}"
        assert (done["found"], done["moved"]) == (10, 8), f"killed after step {step}"
        deaths += done["killed"]
        if not done["killed"]:
            break
    assert deaths >= 20


def test_killed_and_run_again_when_the_deduplication_window_is_over_it_sends_nothing_twice(
    store: "redis.Redis", queue: str, killed: Killed, transport: Transport, endpoint: Endpoint
) -> None:
    for step in range(1, 17):
        prefix = f"late{step}"
        copied(store, queue, prefix)
        done = killed(prefix, step, url=f"{endpoint.url}/jobs", forgetful=True)
        assert done["problems"] == [], f"killed after step {step}"
        assert jobs_at_the_broker(transport, store, f"{prefix}:{queue}:") == EXPECTED, f"killed after step {step}"


def test_a_rollback_killed_after_any_step_leaves_the_queue_as_it_was(
    store: "redis.Redis", queue: str, killed: Killed, transport: Transport, endpoint: Endpoint
) -> None:
    transport.send(management.set_queue(f"{queue}-held", parallelism=1, paused=True))
    before = places(store, f"bull:{queue}:")
    for step in count(1):
        prefix = f"back{step}"
        copied(store, queue, prefix)
        first = killed(prefix, 0, url=f"{endpoint.url}/jobs", into=f"{queue}-held")
        assert first["problems"] == []
        done = killed(prefix, step, url=f"{endpoint.url}/jobs", rollback=True)
        after = places(store, f"{prefix}:{queue}:")
        assert {**after, "kept": len(after["kept"])} == {**before, "kept": 1}, f"killed after step {step}"
        if not done["killed"]:
            break
    assert endpoint.received == []


def test_a_rollback_of_an_import_killed_after_any_step_leaves_the_queue_as_it_was(
    store: "redis.Redis", queue: str, killed: Killed, transport: Transport, endpoint: Endpoint
) -> None:
    transport.send(management.set_queue(f"{queue}-held", parallelism=1, paused=True))
    before = places(store, f"bull:{queue}:")
    for step in count(1):
        prefix = f"half{step}"
        copied(store, queue, prefix)
        first = killed(prefix, step, url=f"{endpoint.url}/jobs", into=f"{queue}-held", only_once=True)
        done = killed(prefix, 0, rollback=True, url="")
        assert done["busy"] == []
        after = places(store, f"{prefix}:{queue}:")
        assert {**after, "kept": len(after["kept"])} == {**before, "kept": 1}, f"killed after step {step}"
        if not first["killed"]:
            break
    assert endpoint.received == []
