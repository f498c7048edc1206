"""A disk that is full: refused clearly, nothing acknowledged is lost, and it goes on by itself when there is room."""

import resource
from pathlib import Path

import httpx

from support.endpoint import eventually, listening
from support.process import start

ROOM = 400_000


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    broker = start("--db", str(tmp_path / "ringback.db"))
    headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Delay": "1h"}
    acknowledged = []
    try:
        with listening() as endpoint, httpx.Client(headers=headers, timeout=10) as http:
            url = f"{broker.url}/v2/publish/{endpoint.url}/in"
            _, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (ROOM, hard))
            for _ in range(200):
                answer = http.post(url, content=b"x" * 20_000)
                if answer.status_code != 200:
                    break
                acknowledged.append(answer.json()["messageId"])
            assert answer.status_code == 503
            assert "cannot write" in answer.json()["error"]
            assert http.get(f"{broker.url}/v2/messages/{acknowledged[0]}").status_code == 200
            resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
            eventually(lambda: http.post(url, content=b"again").status_code == 200)
            for message in acknowledged:
                assert http.get(f"{broker.url}/v2/messages/{message}").status_code == 200
            http.post(f"{broker.url}/v2/publish/{endpoint.url}/now", headers={"Upstash-Delay": "0"})
            endpoint.wait_for(1, "/now")
    finally:
        broker.kill()
        assert broker.process.stdout
        broker.process.stdout.close()
