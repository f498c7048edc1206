"""An upgrade from a former revision while everything works, and back again, with a ledger. Not part of the tests:

make upgrade FROM=abd0108
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import apsw
import httpx
import pytest

from faults import upgrade_checks
from faults.upgrade_ledger import SETTLED_WITHIN, Ledger
from faults.upgrade_load import Load, There, working
from support import nodes
from support.balancer import balancing
from support.endpoint import eventually, listening
from support.former import PRESENT, Release, checked_out
from support.nodes import NodeProcess
from support.postgres import serving

FROM = os.environ.get("FROM", "HEAD~1")
_PROGRESS = 500
"""Messages that are acknowledged between two steps of the upgrade."""
_NOISE = ("Traceback", "ERROR", "broke off")
"""What no log may say."""


@dataclass
class Cluster:
    """Brokers of several releases on one database.

    Args:
        address: the database.
        folder: where their logs go.
    """

    address: str
    folder: Path
    up: dict[str, tuple[NodeProcess, Release]] = field(default_factory=dict)

    def there(self) -> list[There]:
        """Return those that take requests."""
        return [There(node.url, release.name) for node, release in list(self.up.values())]

    def start(self, name: str, release: Release) -> NodeProcess:
        """Start a broker."""
        log = self.folder / f"{name}-{release.name}.log"
        node = nodes.start(self.address, log, RINGBACK_LOG_LEVEL="warning", **release.settings)
        self.up[name] = (node, release)
        return node

    def terminate(self, name: str) -> None:
        """Have one end in order."""
        node, _ = self.up[name]
        node.signal(signal.SIGTERM)
        assert node.process.wait(30) == 0
        del self.up[name]
        node.end()

    def kill(self, name: str) -> None:
        """Take one away as a power cut would."""
        node, _ = self.up[name]
        node.process.kill()
        node.process.wait(30)
        del self.up[name]
        node.end()

    def end(self) -> None:
        """Stop all."""
        for name in list(self.up):
            self.up.pop(name)[0].end()

    def said(self) -> list[str]:
        """Return what the logs should not say."""
        found = []
        for log in sorted(self.folder.glob("*.log")):
            found += [
                f"{log.name}: {line}" for line in log.read_text().splitlines() if any(one in line for one in _NOISE)
            ]
        return found


@dataclass
class Run:
    """A load on a cluster."""

    cluster: Cluster
    ledger: Ledger
    load: Load

    def goes_on(self) -> None:
        """Wait until all kinds of work have got on."""
        ledger = self.ledger
        before, runs, came = len(ledger.acknowledged), len(ledger.runs), sum(ledger.through.values())
        eventually(lambda: len(ledger.acknowledged) > before + _PROGRESS, 120)
        eventually(lambda: sum(ledger.through.values()) > came + _PROGRESS, 120)
        eventually(lambda: len(ledger.runs) > runs, 120)

    def has_ticked(self, minutes: int) -> None:
        """Wait until the schedules have fired in as many minutes."""
        ticks = self.ledger.ticks
        eventually(lambda: len(ticks) == 3 and min(map(len, ticks.values())) >= minutes, 60 * minutes + 60)

    def comes_to_rest(self) -> None:
        """Wait until everything that was acknowledged has come to its end; the load has stopped."""
        load, ledger = self.load, self.ledger
        load.enough.clear()

        def all_are_told() -> bool:
            load.notify()
            return {name for workflow, name in ledger.runs.values() if workflow == "order"} <= ledger.notified

        for node, _ in self.cluster.up.values():
            everything_may_go(node)
        for schedule in load.call("GET", "/v2/schedules").json():  # type: ignore[union-attr]
            load.call("DELETE", f"/v2/schedules/{schedule['scheduleId']}")
        eventually(all_are_told, SETTLED_WITHIN)
        ledger.wait_for_all()
        load.cancel()


def everything_may_go(node: NodeProcess) -> None:
    """Resume what the load may have left paused, and delete the queues it may have left behind."""
    assert node.call("POST", "/v2/flowControl/key/resume").status_code == 200
    for queue in node.call("GET", "/v2/queues").json():
        path = f"/v2/queues/{queue['name']}"
        method, path = ("DELETE", path) if queue["name"].startswith("short-") else ("POST", f"{path}/resume")
        assert node.call(method, path).status_code == 200


@contextmanager
def application(release: Release, broker: str, endpoint: str, log: BinaryIO) -> Iterator[str]:
    """Serve the workflows with a release's SDK; gives their address."""
    told = {
        "QSTASH_URL": broker,
        "QSTASH_TOKEN": nodes.TOKEN,
        "QSTASH_CURRENT_SIGNING_KEY": nodes.KEYS[0],
        "QSTASH_NEXT_SIGNING_KEY": nodes.KEYS[1],
        "ENDPOINT": endpoint,
    }
    line = [sys.executable, str(Path(__file__).with_name("upgrade_app.py"))]
    environment = {**os.environ, **release.settings, **told}
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def former() -> Iterator[Release]:
    with checked_out(FROM) as release:
        yield release


@contextmanager
def under_load(address: str, folder: Path, sdk: Release, *first: tuple[str, Release]) -> Iterator[Run]:
    """Have brokers, an endpoint, an application and what they need for the length of a block."""
    cluster, ledger = Cluster(address, folder), Ledger()
    with ExitStack() as held:
        ledger.endpoint = held.enter_context(listening(ledger.respond))
        held.callback(cluster.end)
        for name, release in first:
            cluster.start(name, release)
        front = held.enter_context(balancing(lambda: [one.url for one in cluster.there()]))
        log = held.enter_context((folder / "application").open("wb"))
        app = held.enter_context(application(sdk, front, ledger.endpoint.url, log))
        http = held.enter_context(httpx.Client(timeout=20))
        load = Load(ledger, cluster.there, app, http)
        url = ledger.endpoint.url
        for name, parallelism in (("line", 1), ("wide", 3)):
            body = {"queueName": name, "parallelism": parallelism}
            assert load.call("POST", "/v2/queues", json=body) is not None
        group = {"endpoints": [{"name": one, "url": f"{url}/{one}"} for one in ("plain", "second")]}
        assert load.call("POST", "/v2/topics/both/endpoints", json=group) is not None
        for _ in range(3):
            told = {"Upstash-Cron": "* * * * *", "Upstash-Retries": "30", "Upstash-Retry-Delay": "200"}
            assert load.call("POST", f"/v2/schedules/{url}/tick", headers=told) is not None
        yield Run(cluster, ledger, load)


def test_a_cluster_on_postgresql_is_upgraded_rolled_back_and_upgraded_again(former: Release, tmp_path: Path) -> None:
    began = time.monotonic()
    with serving(durable=True) as server:
        address = server.fresh()
        with under_load(address, tmp_path, former, ("a", former), ("b", former)) as run:
            cluster, ledger = run.cluster, run.ledger
            with working(run.load):
                run.goes_on()
                migrated = PRESENT.run("migrate", "--db", address)
                assert migrated.returncode == 0, migrated.stderr
                assert PRESENT.run("migrate", "--pending", "--db", address).returncode == 0
                run.goes_on()  # former brokers on the new schema
                cluster.terminate("a")
                cluster.start("a", PRESENT)
                run.goes_on()  # one of each
                cluster.kill("b")
                cluster.start("b", PRESENT)
                run.goes_on()  # all are new
                cluster.terminate("a")
                cluster.start("a", former)
                run.goes_on()  # back: one of each
                cluster.kill("b")
                cluster.start("b", former)
                run.goes_on()  # all are former ones again
                cluster.kill("a")
                cluster.start("a", PRESENT)
                run.goes_on()
                run.has_ticked(2)
            run.comes_to_rest()
            for name in ("b", "a"):  # the former and the present read the same
                print(f"reading by {cluster.up[name][1].name}")
                upgrade_checks.everything(cluster.up[name][0], ledger)
            cluster.terminate("b")
            resumes_what_failed(cluster.up["a"][0], ledger)
            name = address.rpartition("/")[2]
            assert server.query(name, "SELECT count(*) FROM ringback.deliveries") == "0"
            ledger.hold()
            upgrade_checks.ticks_came_once(ledger)
            print(migrated.stdout, ledger.report(f"{FROM} on PostgreSQL, {time.monotonic() - began:.0f} s"))
            assert cluster.said() == []


def resumes_what_failed(node: NodeProcess, ledger: Ledger) -> None:
    """Runs that were given up, whoever did it, go on to their end."""
    ledger.may_succeed = True
    doomed = {run for run, (workflow, _) in ledger.runs.items() if workflow == "doomed"}
    for letter in upgrade_checks.pages(node, "/v2/workflows/dlq", "messages"):
        answer = node.call("POST", f"/v2/workflows/dlq/resume/{letter['dlqId']}")
        assert answer.status_code == 200, answer.text

    def have_succeeded() -> bool:
        found = upgrade_checks.pages(node, "/v2/workflows/logs?state=RUN_SUCCESS", "runs")
        return len(found) >= len(ledger.runs) and upgrade_checks.pages(node, "/v2/workflows/dlq", "messages") == []

    eventually(have_succeeded, SETTLED_WITHIN)
    assert doomed or not ledger.runs


@pytest.mark.parametrize("last", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_a_file_is_taken_on(former: Release, tmp_path: Path, last: signal.Signals) -> None:
    began = time.monotonic()
    file, copy, elsewhere = (tmp_path / name for name in ("ringback.db", "copy.db", "elsewhere.db"))
    with under_load(str(file), tmp_path, former, ("a", former)) as run:
        cluster, ledger = run.cluster, run.ledger
        with working(run.load):
            run.goes_on()
            copied = PRESENT.run("backup", "--db", str(file), str(copy))
            assert copied.returncode == 0, copied.stderr
            run.goes_on()
            (cluster.kill if last == signal.SIGKILL else cluster.terminate)("a")
            looked = PRESENT.run("doctor", "--db", str(file))
            assert looked.returncode == 0, looked.stdout
            before = schema_of(file)
            cluster.start("a", PRESENT)
            run.goes_on()
            cluster.kill("a")
            back = former.run("migrate", "--db", str(file))
            if schema_of(file) == before:  # either release can go on with it
                assert back.returncode == 0, back.stderr
            else:
                assert back.returncode == 1
                assert "newer release" in back.stderr
            cluster.start("a", PRESENT)
            run.goes_on()
        run.comes_to_rest()
        upgrade_checks.everything(cluster.up["a"][0], ledger)
        resumes_what_failed(cluster.up["a"][0], ledger)
        ledger.hold()
        upgrade_checks.ticks_came_once(ledger)
        cluster.terminate("a")
        assert PRESENT.run("restore", "--db", str(elsewhere), str(copy)).returncode == 0
        cluster.address = str(elsewhere)
        everything_may_go(cluster.start("elsewhere", PRESENT))
        upgrade_checks.at_rest(cluster.up["elsewhere"][0])
        cluster.terminate("elsewhere")
        for one in (file, elsewhere):
            looked = PRESENT.run("doctor", "--db", str(one))
            assert looked.returncode == 0, looked.stdout
        print(ledger.report(f"{FROM} on SQLite, {last.name}, {time.monotonic() - began:.0f} s"))
        assert cluster.said() == []


def schema_of(file: Path) -> list[tuple[object, ...]]:
    """Return all that says how a file is laid out."""
    connection = apsw.Connection(str(file))
    found = [
        *connection.execute("PRAGMA user_version"),
        *connection.execute("SELECT sql FROM sqlite_master ORDER BY 1"),
    ]
    connection.close()
    return found


def test_a_file_moves_to_postgresql_as_it_is(former: Release, tmp_path: Path) -> None:
    began = time.monotonic()
    file = tmp_path / "ringback.db"
    with serving(durable=True) as server, under_load(str(file), tmp_path, former, ("a", former)) as run:
        cluster, ledger = run.cluster, run.ledger
        with working(run.load):
            run.goes_on()
            cluster.kill("a")
            cluster.address = server.fresh()
            before = schema_of(file)
            copied = PRESENT.run("copy", str(file), cluster.address)
            assert copied.returncode == 0, copied.stderr
            assert schema_of(file) == before
            cluster.start("a", PRESENT)
            cluster.start("b", PRESENT)
            run.goes_on()
        run.comes_to_rest()
        upgrade_checks.everything(cluster.up["a"][0], ledger)
        resumes_what_failed(cluster.up["b"][0], ledger)
        ledger.hold()
        upgrade_checks.ticks_came_once(ledger)
        print(ledger.report(f"{FROM} from SQLite to PostgreSQL, {time.monotonic() - began:.0f} s"))
        assert cluster.said() == []
