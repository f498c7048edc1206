"""A database is copied while a broker works on it, looked over, and put back; a copy that is not whole is never used."""

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import httpx
from msgspec.structs import replace

from ringback.broker.records import Lane
from ringback.broker.stores.rows import CODECS
from support.endpoint import listening
from support.process import BrokerProcess, running


def ringback(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "ringback", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def publish(broker: BrokerProcess, url: str, count: int, delay: str = "0") -> list[str]:
    headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Delay": delay}
    with httpx.Client(headers=headers, timeout=20) as http:
        return [http.post(f"{broker.url}/v2/publish/{url}").json()["messageId"] for _ in range(count)]


def test_a_backup_under_load_is_whole_and_what_waited_in_it_is_delivered_after_a_restore(tmp_path: Path) -> None:
    database, copy = tmp_path / "ringback.db", tmp_path / "copy.db"
    with listening() as endpoint:
        with running(database) as broker:
            waiting = publish(broker, f"{endpoint.url}/later", 20, "3s")
            enough = threading.Event()

            def load() -> None:
                while not enough.is_set():
                    publish(broker, f"{endpoint.url}/now", 20)

            thread = threading.Thread(target=load)
            thread.start()
            endpoint.wait_for(50, "/now")
            made = ringback("backup", "--db", database, copy)
            enough.set()
            thread.join()
            assert made.returncode == 0, made.stderr
            again = ringback("backup", "--db", database, copy)
            assert (again.returncode, "is there already" in again.stderr) == (1, True)
            refused = ringback("restore", "--db", database, copy)
            assert (refused.returncode, "in use by another broker" in refused.stderr) == (1, True)
        looked = ringback("doctor", "--db", copy)
        assert (looked.returncode, "is whole" in looked.stdout) == (0, True)
        before = len(endpoint.received)
        restored = ringback("restore", "--db", database, copy)
        assert restored.returncode == 0, restored.stderr
        assert (tmp_path / "ringback.db.before").exists()
        with running(database) as broker:
            endpoint.wait_for(20, "/later")
            known = httpx.get(f"{broker.url}/v2/events?count=1", headers={"Authorization": f"Bearer {broker.token}"})
            assert known.status_code == 200
        delivered = {one.headers["upstash-message-id"] for one in endpoint.received[before:] if one.path == "/later"}
        assert set(waiting) <= delivered | {one.headers["upstash-message-id"] for one in endpoint.received}


def test_a_damaged_database_is_told_and_neither_copied_nor_restored(tmp_path: Path) -> None:
    database = tmp_path / "ringback.db"
    with listening() as endpoint, running(database) as broker:
        publish(broker, endpoint.url, 3, "1h")
    connection = sqlite3.connect(database)
    connection.execute("DELETE FROM messages WHERE seq = (SELECT min(seq) FROM messages)")
    connection.commit()
    connection.close()
    looked = ringback("doctor", "--db", database)
    assert looked.returncode == 1
    assert "1 messages that are to be delivered and are not there" in looked.stdout
    assert ringback("backup", "--db", database, tmp_path / "copy.db").returncode == 1
    assert not (tmp_path / "copy.db").exists()
    assert ringback("restore", "--db", tmp_path / "new.db", database).returncode == 1
    nothing = ringback("doctor", "--db", tmp_path / "nowhere.db")
    assert (nothing.returncode, "there is no database" in nothing.stderr) == (1, True)


def test_a_queue_that_counts_wrong_is_named(tmp_path: Path) -> None:
    database = tmp_path / "ringback.db"
    with listening() as endpoint, running(database) as broker:
        headers = {"Authorization": f"Bearer {broker.token}", "Upstash-Delay": "1h"}
        enqueue = f"{broker.url}/v2/enqueue/films/{endpoint.url}"
        assert httpx.post(enqueue, headers=headers).status_code == 200
        flow = headers | {"Upstash-Flow-Control-Key": "gpu", "Upstash-Flow-Control-Value": "parallelism=1"}
        assert httpx.post(f"{broker.url}/v2/publish/{endpoint.url}", headers=flow).status_code == 200
        httpx.post(f"{broker.url}/v2/queues/films/pause", headers=headers)
        del headers["Upstash-Delay"]
        assert httpx.post(enqueue, headers=headers).status_code == 200
    whole = ringback("doctor", "--db", database)
    assert whole.returncode == 0, whole.stdout
    connection = sqlite3.connect(database)
    (stored,) = connection.execute("SELECT record FROM lanes WHERE name = 'films'").fetchone()
    lane: Lane = CODECS[Lane].record(stored)
    assert lane.waiting == 1
    broken = CODECS[Lane].encode(replace(lane, active=2, waiting=5))
    connection.execute("UPDATE lanes SET record = ? WHERE name = 'films'", (broken,))
    connection.commit()
    connection.close()
    looked = ringback("doctor", "--db", database)
    assert looked.returncode == 1
    assert "queue films of" in looked.stdout
    assert "counts 2 slots taken, 0 are" in looked.stdout
    assert "counts 5 waiting, 1 are" in looked.stdout
    told = json.loads(ringback("doctor", "--db", database, "--json").stdout)
    assert (told["ok"], len(told["problems"])) == (False, 2)


def test_each_restore_keeps_what_was_there(tmp_path: Path) -> None:
    database, copy = tmp_path / "ringback.db", tmp_path / "copy.db"
    with running(database):
        pass
    assert ringback("backup", "--db", database, copy).returncode == 0
    for _ in range(2):
        assert ringback("restore", "--db", database, copy).returncode == 0
    assert (tmp_path / "ringback.db.before").exists()
    assert (tmp_path / "ringback.db.before-2").exists()


def test_postgresql_is_referred_to_its_own_tools(tmp_path: Path) -> None:
    refused = ringback("backup", "--db", "postgresql://127.0.0.1/ringback", tmp_path / "copy.db")
    assert (refused.returncode, "pg_dump" in refused.stderr) == (2, True)
