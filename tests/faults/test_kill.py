"""A broker that is taken away by SIGKILL while it works, with a ledger of what it had acknowledged and what arrived."""

import signal
import threading
from pathlib import Path

import httpx

from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import BrokerProcess, start

ROUNDS = 4


def publish_until_it_dies(broker: BrokerProcess, endpoint: Endpoint, acknowledged: list[str]) -> None:
    """Publish without a break; note each message once its acknowledgement has been read."""
    headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Retry-Delay": "100", "Upstash-Retries": "20"}
    with httpx.Client(headers=headers, timeout=5) as http:
        while True:
            try:
                answer = http.post(f"{broker.url}/v2/publish/{endpoint.url}/in", content=b"x" * 300)
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                acknowledged.append(answer.json()["messageId"])


def stop(broker: BrokerProcess) -> None:
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(20) == 0
    assert broker.process.stdout
    broker.process.stdout.close()


def test_what_was_acknowledged_arrives_whenever_the_broker_is_killed(tmp_path: Path) -> None:
    failures = iter(range(10**9))

    def respond(_: Received) -> Answer:
        return Answer(500 if next(failures) % 7 == 0 else 200)

    acknowledged: list[str] = []
    with listening(respond) as endpoint:
        for round_ in range(ROUNDS):
            broker = start("--db", str(tmp_path / "ringback.db"))
            wanted = len(acknowledged) + 40 * (round_ + 1)
            threads = [
                threading.Thread(target=publish_until_it_dies, args=(broker, endpoint, acknowledged)) for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            eventually(lambda wanted=wanted: len(acknowledged) >= wanted)  # type: ignore[misc]
            broker.kill()
            for thread in threads:
                thread.join()
            assert broker.process.stdout
            broker.process.stdout.close()
        broker = start("--db", str(tmp_path / "ringback.db"))
        headers = {"Authorization": f"Bearer {broker.token}"}

        def missing() -> set[str]:
            return set(acknowledged) - {request.headers["upstash-message-id"] for request in endpoint.received}

        eventually(lambda: not missing(), 30)
        eventually(lambda: _idle(broker, headers))
        letters = httpx.get(f"{broker.url}/v2/dlq", headers=headers).json()["messages"]
        assert letters == []
        stop(broker)


def _idle(broker: BrokerProcess, headers: dict[str, str]) -> bool:
    known = httpx.get(f"{broker.url}/v2/globalParallelism", headers=headers).json()
    return bool(known["parallelismCount"] == 0)


def test_sigterm_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    gate = threading.Event()

    def respond(_: Received) -> Answer:
        gate.wait(10)
        return Answer()

    with listening(respond) as endpoint:
        broker = start("--db", str(tmp_path / "ringback.db"))
        headers = {"Authorization": f"Bearer {broker.token}"}
        httpx.post(f"{broker.url}/v2/publish/{endpoint.url}/slow", headers=headers)
        endpoint.wait_for(1)
        broker.process.send_signal(signal.SIGTERM)
        gate.set()
        assert broker.process.wait(20) == 0
        assert broker.process.stdout
        broker.process.stdout.close()
        again = start("--db", str(tmp_path / "ringback.db"))
        events = httpx.get(f"{again.url}/v2/events", headers=headers).json()["events"]
        assert [event["state"] for event in events] == ["DELIVERED", "ACTIVE", "CREATED"]
        assert len(endpoint.received) == 1
        stop(again)


def test_two_brokers_cannot_hold_one_file(tmp_path: Path) -> None:
    import subprocess
    import sys

    first = start("--db", str(tmp_path / "ringback.db"))
    command = [sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", str(tmp_path / "ringback.db")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "in use by another broker" in second.stderr
    stop(first)
