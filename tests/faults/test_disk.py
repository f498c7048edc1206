"""A disk that is full or turns read-only: refused clearly, nothing acknowledged is lost, and it goes on by itself."""

import resource
from pathlib import Path

import httpx

from support.disk import small_disk
from support.endpoint import eventually, listening
from support.process import running, start

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


def test_a_disk_that_turns_read_only_refuses_and_recovers(tmp_path: Path) -> None:
    """A write-protected file is written again by itself; a file system that has stopped needs to be mounted anew."""
    with small_disk(tmp_path) as disk, listening() as endpoint:
        broker = start("--db", str(disk.folder / "ringback.db"))
        headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Delay": "3s"}
        try:
            with httpx.Client(headers=headers, timeout=20) as http:
                url = f"{broker.url}/v2/publish/{endpoint.url}/in"
                acknowledged = [http.post(url).json()["messageId"] for _ in range(5)]
                disk.protect(disk.folder / "ringback.db-wal")
                refused = [http.post(url) for _ in range(3)]
                assert {answer.status_code for answer in refused} == {503}
                assert "cannot write" in refused[0].json()["error"]
                assert "Operation not permitted" in refused[0].json()["error"]
                assert http.get(f"{broker.url}/v2/messages/{acknowledged[0]}").status_code == 200
                disk.unprotect(disk.folder / "ringback.db-wal")
                eventually(lambda: len(endpoint.received) >= 5)  # what was due meanwhile
                acknowledged += [http.post(url, headers={"Upstash-Delay": "1h"}).json()["messageId"] for _ in range(5)]
                disk.turn_read_only()
                answer = http.post(url)
                assert answer.status_code == 503
                assert "Read-only file system" in answer.json()["error"]
                assert http.get(f"{broker.url}/v2/messages/{acknowledged[-1]}").status_code == 200
        finally:
            broker.kill()
            assert broker.process.stdout
            broker.process.stdout.close()
        disk.mount_anew()
        with running(disk.folder / "ringback.db") as again, httpx.Client(headers=headers, timeout=20) as http:
            for message in acknowledged[5:]:
                assert http.get(f"{again.url}/v2/messages/{message}").status_code == 200
            assert http.post(f"{again.url}/v2/publish/{endpoint.url}/last").status_code == 200
        arrived = {one.headers["upstash-message-id"] for one in endpoint.received if one.path == "/in"}
        assert arrived == set(acknowledged[:5])  # and nothing that was refused
