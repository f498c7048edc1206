"""`ringback dev` shows what it delivers, and runs the user's application beside it."""

import re
import time
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from rich.console import Console

from ringback.broker.changes import Applied, Changes
from ringback.broker.records import Event, Message
from ringback.broker.stores.memory import MemoryStore
from ringback.cli.live import LiveView
from support.endpoint import Answer, Received, eventually, listening
from support.inprocess import answering, inprocess
from support.ports import free_port
from support.process import BrokerProcess, start

URL = "https://api.example.com/in"
APP = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION " + os.environ["QSTASH_URL"].encode()})
"""


def stop(broker: BrokerProcess) -> None:
    broker.process.terminate()
    broker.process.wait(30)
    assert broker.process.stdout
    broker.process.stdout.close()


async def test_each_attempt_is_a_line_with_its_answer() -> None:
    told = StringIO()
    async with inprocess(MemoryStore()) as ringed:
        ringed.broker.watchers.append(LiveView(Console(file=told, width=200)).see)
        await ringed.publish(URL)
        await ringed.settle()
        ringed.respond = answering(500)
        await ringed.publish(f"{URL}/bad", upstash_retries="1")
        await ringed.settle()
        await ringed.turn(13_000)
        await ringed.settle()
    lines = [re.sub(r" +", " ", line) for line in told.getvalue().splitlines()]
    assert [line.split(" ")[1:3] for line in lines] == [["delivered", "200"], ["again", "500"], ["failed", "500"]]
    assert f"POST {URL}/bad again at" in lines[1]


def test_a_storm_of_lines_is_summed_up() -> None:
    told, now = StringIO(), [0.0]
    view = LiveView(Console(file=told), lambda: now[0])
    message = Message(1, "t", URL, "POST", (), b"", 1, 1, 0, 1000)
    view.see(Applied([Changes(put=[message])]))
    delivered = [Event(number, "t", message.seq, "DELIVERED", 1, status=200) for number in range(100)]
    view.see(Applied([Changes(put=delivered)]))
    now[0] = 2.0
    view.see(Applied([Changes(put=[Event(101, "t", message.seq, "DELIVERED", 1, status=200)])]))
    lines = told.getvalue().splitlines()
    assert "and 60 more" in "".join(lines)
    assert len([line for line in lines if "delivered" in line]) == 41


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "beside_dev.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_application_runs_beside_the_broker_and_is_reloaded(folder: Path) -> None:
    port = free_port()
    broker = start("--reload-app", "beside_dev:app", "--app-port", str(port))
    try:

        def answered(text: str) -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/").text == f"{text} {broker.url}"
            except httpx.TransportError:
                return False

        eventually(lambda: answered("VERSION"), 30)
        written_at = 0.0

        def changed() -> bool:
            """Write the change, and again: the first look of the reloader may have come after it."""
            nonlocal written_at
            if time.monotonic() - written_at > 4:
                (folder / "beside_dev.py").write_text(APP.replace("VERSION", "CHANGED"))
                written_at = time.monotonic()
            return answered("CHANGED")

        eventually(changed, 60)
    finally:
        stop(broker)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_pages_of_other_sites_cannot_use_its_public_tokens() -> None:
    """A form on any page could send this: with a callback, it would read whatever the developer's machine reaches."""
    broker = start("--allow-host", "tunnel.example")
    there = f"{broker.url}/v2/publish/http://127.0.0.1:9/x?upstash-retries=0&qstash_token={quote(broker.token)}"
    port = broker.url.rpartition(":")[2]
    led_here = {"host": f"evil.example:{port}"}
    refused: list[dict[str, str]] = [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example"},
        led_here | {"origin": f"http://evil.example:{port}"},
    ]
    taken: list[dict[str, str]] = [{}, {"host": "tunnel.example"}, {"sec-fetch-mode": "cors"}]
    try:
        assert [httpx.post(there, headers=one, content="x").status_code for one in refused] == [403, 403, 403]
        assert [httpx.post(there, headers=one, content="x").status_code for one in taken] == [200, 200, 200]
        pages = [(led_here, 403), ({"sec-fetch-site": "cross-site"}, 200)]  # a page may be linked to
        for headers, status in pages:
            assert httpx.get(f"{broker.url}/console/login", headers=headers).status_code == status
    finally:
        stop(broker)


def test_the_lines_are_printed_where_they_are_wanted() -> None:
    def respond(_: Received) -> Answer:
        return Answer(200)

    with listening(respond) as endpoint:
        broker = start("--live")
        try:
            bearer = {"Authorization": f"Bearer {broker.token}"}
            httpx.post(f"{broker.url}/v2/publish/{endpoint.url}/live", headers=bearer).raise_for_status()
            assert broker.process.stdout
            line = next(line for line in broker.process.stdout if "delivered" in line)
            assert f"POST {endpoint.url}/live" in line
        finally:
            stop(broker)
