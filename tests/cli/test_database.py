"""`ringback migrate` and `ringback copy`, as an operator runs them."""

import os
import re
import signal
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from ringback.broker.stores.postgres.schema import migrations
from ringback.cli.commands import ringback
from support.endpoint import eventually, listening
from support.nodes import two_nodes
from support.postgres import Server
from support.process import start


def run(*line: str) -> Result:
    environment = {name: "" for name in os.environ if name.startswith("RINGBACK_")}
    return CliRunner().invoke(ringback, line, env=environment)


def test_a_database_is_brought_up_to_date_and_told_so(postgres: Server) -> None:
    address = postgres.fresh()
    steps = "".join(f"{one.number:04} {one.name}\n" for one in migrations())
    pending = run("migrate", "--pending", "--db", address)
    assert (pending.exit_code, pending.output) == (1, steps)
    done = run("migrate", "--db", address)
    assert (done.exit_code, done.output) == (0, steps)
    again = run("migrate", "--db", address)
    assert (again.exit_code, again.output) == (0, "the database is up to date\n")
    assert run("migrate", "--pending", "--db", address).exit_code == 0


def test_a_file_is_brought_up_to_date_too(tmp_path: Path) -> None:
    done = run("migrate", "--db", str(tmp_path / "ringback.db"))
    assert done.output == "the database is up to date\n"
    assert run("migrate", "--pending", "--db", str(tmp_path / "ringback.db")).exit_code == 2


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot reach the database at 127.0.0.1:1/db"),
        ("mysql://127.0.0.1/db", "expected a file, or an address that begins with postgresql://"),
    ],
)
def test_a_database_that_is_none_is_refused(address: str, told: str) -> None:
    refused = run("migrate", "--db", address)
    assert refused.exit_code == 1
    assert told in refused.output
    assert "secret" not in refused.output


def test_a_store_in_use_is_copied_with_everything_and_goes_on(postgres: Server, tmp_path: Path) -> None:
    """What waited in the file is delivered from the database; history, schedules and queues are there; nothing is there twice."""
    file, address = tmp_path / "ringback.db", postgres.fresh()
    broker = start("--db", str(file))
    with listening() as endpoint:
        with httpx.Client(headers={"Authorization": f"Bearer {broker.token}"}, timeout=20) as http:
            for number in range(30):
                http.post(f"{broker.url}/v2/publish/{endpoint.url}/now", content=f"ü{number}".encode())
                http.post(f"{broker.url}/v2/publish/{endpoint.url}/later", headers={"Upstash-Delay": "3s"})
            http.post(f"{broker.url}/v2/queues", json={"queueName": "mail", "parallelism": 2, "paused": True})
            http.post(f"{broker.url}/v2/enqueue/mail/{endpoint.url}/queued")
            http.post(f"{broker.url}/v2/schedules/{endpoint.url}/cron", headers={"Upstash-Cron": "0 0 1 1 *"})
            endpoint.wait_for(30, "/now")
            eventually(lambda: len(http.get(f"{broker.url}/v2/events?state=DELIVERED").json()["events"]) == 30)
            before = http.get(f"{broker.url}/v2/events?count=1000").json()
            busy = run("copy", str(file), address)
            assert busy.exit_code == 1
            assert "in use by another broker" in busy.output
        broker.process.send_signal(signal.SIGTERM)
        broker.process.communicate(timeout=20)
        copied = run("copy", str(file), address)
        assert copied.exit_code == 0, copied.output
        assert re.search(r"^messages +61$", copied.output, re.MULTILINE)
        assert re.search(r"^schedules +1$", copied.output, re.MULTILINE)
        again = run("copy", str(file), address)
        assert again.exit_code == 1
        assert "not empty" in again.output

        moved = start("--db", address)
        with httpx.Client(headers={"Authorization": f"Bearer {moved.token}"}, timeout=20) as http:
            endpoint.wait_for(30, "/later")
            assert len(http.get(f"{moved.url}/v2/schedules").json()) == 1
            assert http.get(f"{moved.url}/v2/queues/mail").json()["lag"] == 1
            http.post(f"{moved.url}/v2/queues/mail/resume")
            endpoint.wait_for(1, "/queued")
            after = http.get(f"{moved.url}/v2/events?count=1000").json()
            assert [one for one in after["events"] if one in before["events"]] == before["events"]
        moved.process.send_signal(signal.SIGTERM)
        moved.process.communicate(timeout=20)
    assert len(endpoint.received) == 61


def test_a_store_with_brokers_at_work_is_not_copied_into(postgres: Server, tmp_path: Path) -> None:
    address = postgres.fresh()
    assert run("migrate", "--db", str(tmp_path / "ringback.db")).exit_code == 0
    with two_nodes(address):
        refused = run("copy", str(tmp_path / "ringback.db"), address)
    assert refused.exit_code == 1
    assert "not empty: there are nodes" in refused.output
