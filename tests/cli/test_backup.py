"""A database is copied while a broker works on it, looked over, and put back; a copy that is not whole is never used."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import httpx
from msgspec.structs import replace

from ringback.broker.records import Lane
from ringback.broker.stores.rows import CODECS
from support.endpoint import Answer, eventually, listening
from support.process import BrokerProcess, running


def ringback(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "ringback", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def publish(broker: BrokerProcess, url: str, count: int, **headers: str) -> list[str]:
    known = {"Authorization": f"Bearer {broker.token}", "Upstash-Retry-Delay": "2000", "Upstash-Retries": "20"}
    with httpx.Client(headers=known | headers, timeout=20) as http:
        return [http.post(f"{broker.url}/v2/publish/{url}").json()["messageId"] for _ in range(count)]


def test_a_backup_under_load_is_whole_and_delivers_elsewhere_what_was_acknowledged_before(tmp_path: Path) -> None:
    database, copy, elsewhere = tmp_path / "ringback.db", tmp_path / "copy.db", tmp_path / "elsewhere.db"
    is_up, enough = threading.Event(), threading.Event()
    acknowledged: list[str] = []
    with listening(lambda _: Answer(200 if is_up.is_set() else 500)) as endpoint:
        with running(database) as broker:

            def load() -> None:
                while not enough.is_set():
                    acknowledged.extend(publish(broker, endpoint.url, 5))

            thread = threading.Thread(target=load)
            thread.start()
            eventually(lambda: len(acknowledged) >= 50)
            before = set(acknowledged)
            made = ringback("backup", "--db", database, copy)
            assert made.returncode == 0, made.stderr
            meanwhile = len(acknowledged)
            eventually(lambda: len(acknowledged) > meanwhile)  # the broker goes on
            refused = ringback("restore", "--db", database, copy)
            assert (refused.returncode, "in use by another broker" in refused.stderr) == (1, True)
            enough.set()
            thread.join()
            broker.kill()
        again = ringback("backup", "--db", database, copy)
        assert (again.returncode, "is there already" in again.stderr) == (1, True)
        looked = ringback("doctor", "--db", copy)
        assert (looked.returncode, "is whole" in looked.stdout) == (0, True)
        restored = ringback("restore", "--db", elsewhere, copy)
        assert restored.returncode == 0, restored.stderr
        endpoint.received.clear()
        is_up.set()
        with running(elsewhere):
            eventually(lambda: before <= {one.headers["upstash-message-id"] for one in endpoint.received}, 30)


def test_a_damaged_database_is_told_and_neither_copied_nor_restored(tmp_path: Path) -> None:
    database = tmp_path / "ringback.db"
    with listening() as endpoint, running(database) as broker:
        publish(broker, endpoint.url, 3, **{"Upstash-Delay": "1h"})
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
    assert looked.stdout.count("--mend") == 2
    told = json.loads(ringback("doctor", "--db", database, "--json").stdout)
    assert (told["ok"], len(told["problems"])) == (False, 2)


def test_a_queue_that_counts_wrong_is_mended_and_goes_on(tmp_path: Path) -> None:
    database = tmp_path / "ringback.db"
    with listening() as endpoint:
        with running(database) as broker:
            headers = {"Authorization": f"Bearer {broker.token}"}
            httpx.post(f"{broker.url}/v2/queues/films/pause", headers=headers)
            enqueue = f"{broker.url}/v2/enqueue/films/{endpoint.url}"
            assert httpx.post(enqueue, headers=headers).status_code == 200
            refused = ringback("doctor", "--db", database, "--mend")
            assert (refused.returncode, "in use by another broker" in refused.stderr) == (1, True)
        connection = sqlite3.connect(database)
        (stored,) = connection.execute("SELECT record FROM lanes WHERE name = 'films'").fetchone()
        lane: Lane = CODECS[Lane].record(stored)
        stuck = CODECS[Lane].encode(replace(lane, active=1, paused=False))  # its only slot is taken, by nobody
        connection.execute("UPDATE lanes SET record = ? WHERE name = 'films'", (stuck,))
        connection.commit()
        connection.close()
        mended = ringback("doctor", "--db", database, "--mend")
        assert (mended.returncode, "counts 1 slots taken, 0 are" in mended.stdout) == (0, True), mended.stdout
        with running(database):
            endpoint.wait_for(1)


def test_what_is_made_is_for_its_owner_only_and_a_restored_database_has_the_owner_of_the_one_before(
    tmp_path: Path,
) -> None:
    database, copy = tmp_path / "ringback.db", tmp_path / "copy.db"
    with running(database):
        assert {one.name for one in tmp_path.glob("ringback.db*") if one.stat().st_mode & 0o077} <= {"ringback.db.lock"}
    assert ringback("backup", "--db", database, copy).returncode == 0
    if os.getuid() == 0:
        os.chown(database, 1234, 1234)
    owner = database.stat().st_uid
    assert ringback("restore", "--db", database, copy).returncode == 0
    assert [one.stat().st_mode & 0o777 for one in (database, copy)] == [0o600, 0o600]
    assert database.stat().st_uid == owner


def test_a_copy_that_was_cut_off_or_is_none_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    database, copy, target = tmp_path / "ringback.db", tmp_path / "copy.db", tmp_path / "target.db"
    with running(database):
        pass
    assert ringback("backup", "--db", database, copy).returncode == 0
    whole = copy.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4096] + b"\xa5" * 8192 + whole[12288:], b"no database" * 500):
        copy.write_bytes(damaged)
        refused = ringback("restore", "--db", target, copy)
        assert (refused.returncode, "Error: " in refused.stderr) == (1, True), refused.stderr
        assert not target.exists()


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
