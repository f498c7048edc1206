"""A broker that runs out of file descriptors: it stays alive and quiet, loses nothing, and blames no endpoint for it."""

import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from support.endpoint import eventually, listening
from support.process import BrokerProcess, running

SPARE = 12
_TICKS = os.sysconf("SC_CLK_TCK")


def descriptors(broker: BrokerProcess) -> int:
    return len(list(Path(f"/proc/{broker.process.pid}/fd").iterdir()))


def cpu_seconds(broker: BrokerProcess) -> float:
    fields = Path(f"/proc/{broker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def test_a_broker_without_file_descriptors_waits_quietly_and_costs_no_message_a_retry(tmp_path: Path) -> None:
    with listening() as endpoint, running(tmp_path / "ringback.db") as broker, ExitStack() as held:
        headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Retries": "0"}
        http = held.enter_context(httpx.Client(headers=headers, timeout=20))
        assert http.get(f"{broker.url}/console").status_code < 400  # this connection stands, and all is loaded
        most = descriptors(broker) + SPARE
        _, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (most, hard))
        port = int(broker.url.rpartition(":")[2])
        for _ in range(3 * SPARE):
            held.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        eventually(lambda: descriptors(broker) >= most)
        sent = [http.post(f"{broker.url}/v2/publish/{endpoint.url}/in") for _ in range(20)]
        assert {answer.status_code for answer in sent} == {200}
        cpu, began = cpu_seconds(broker), time.monotonic()
        eventually(lambda: time.monotonic() - began > 1)
        spent = (cpu_seconds(broker) - cpu) / (time.monotonic() - began)
        assert broker.process.poll() is None
        assert endpoint.received == []
        assert spent < 0.6, f"the broker spins: {spent:.0%} of a core"
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        endpoint.wait_for(20)
        waiting = f"{broker.url}/v2/globalParallelism"
        eventually(lambda: http.get(waiting).json()["parallelismCount"] == 0)
        assert len(endpoint.received) == 20
        states = [event["state"] for event in http.get(f"{broker.url}/v2/events?count=1000").json()["events"]]
        assert (states.count("DELIVERED"), states.count("ERROR"), states.count("FAILED")) == (20, 0, 0)
        assert httpx.get(f"{broker.url}/readyz").status_code == 200  # new connections are taken again
