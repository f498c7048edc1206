"""How the console is served: inside a broker's own server, and on its own for a broker elsewhere."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from ringback.console.live import MOST, Live
from ringback.console.mounted import Inside, mounted
from ringback.wire.http import Request, Response, Stream
from support.process import running


async def _told(app: object, target: str = "/console/a%20b?x=1") -> Response | Stream:
    return await mounted(app)(Request("POST", target, [("host", "h")], b"body", "192.0.2.1"))  # type: ignore[arg-type]


async def test_an_application_inside_the_broker_gets_the_request_as_it_came() -> None:
    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        body = (await receive())["body"]
        told = json.dumps([scope["path"], scope["query_string"].decode(), scope["client"], body.decode()]).encode()
        await send(
            {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1"), (b"content-length", b"9")]}
        )
        await send({"type": "http.response.body", "body": told[:3], "more_body": True})
        await send({"type": "http.response.body", "body": told[3:]})

    answer = await _told(app)
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers) == (201, [("X-A", "1")])
    assert json.loads(answer.body) == ["/console/a b", "x=1", ["192.0.2.1", 0], "body"]


async def test_what_a_page_asks_for_is_asked_for_by_who_looks_at_it() -> None:
    asked: list[Request] = []

    def respond(request: Request) -> Response:
        asked.append(request)
        return Response(200, [], b"{}")

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        async with httpx.AsyncClient(transport=Inside(respond, lambda _: None)) as http:
            await http.post("http://broker.example/v2/queues?a=1", content=b"x")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    lines = [("x-forwarded-for", "198.51.100.66"), ("x-forwarded-for", "198.51.100.7")]
    page = Request("GET", "/console/", lines, b"", "192.0.2.1")
    await mounted(app)(page)
    assert (asked[0].target, asked[0].body, asked[0].peer) == ("/v2/queues?a=1", b"x", "192.0.2.1")
    assert [one for one in asked[0].headers if one[0] == "x-forwarded-for"] == lines


async def test_an_application_that_breaks_off_is_not_waited_for() -> None:
    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(_told(app), 5)


async def test_a_stream_that_nobody_reads_any_more_ends_the_work_on_it() -> None:
    ended = asyncio.Event()

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        finally:
            ended.set()

    answer = await _told(app)
    assert isinstance(answer, Stream)
    chunks = answer.chunks
    assert await anext(chunks) == b"data: 1\n\n"
    await chunks.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_living_part_is_sent_again_only_when_it_has_changed() -> None:
    parts = iter(["one", "one", "two"])

    async def fragment() -> str:
        return next(parts)

    stream: AsyncIterator[bytes] = Live(every_s=0).stream(fragment).body_iterator  # type: ignore[attr-defined]
    assert [await anext(stream) for _ in range(3)] == [b'data: "one"\n\n', b": nothing new\n\n", b'data: "two"\n\n']
    await stream.aclose()  # type: ignore[attr-defined]


async def test_only_so_many_pages_are_watched_at_once() -> None:
    async def fragment() -> str:
        return ""

    live = Live(every_s=60)
    streams = [live.stream(fragment) for _ in range(MOST)]
    for one in streams:
        await anext(one.body_iterator)  # type: ignore[attr-defined]
    assert live.stream(fragment).status_code == 503
    for one in streams:
        await one.body_iterator.aclose()  # type: ignore[attr-defined]
    assert live.stream(fragment).status_code == 200


def test_a_console_on_its_own_shows_a_broker_elsewhere() -> None:
    with running() as broker:
        line = [sys.executable, "-m", "ringback", "console", "--url", broker.url, "--port", "0"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            address = re.search(r"(http://127.0.0.1:\d+)/console", told)
            assert address is not None, told
            with httpx.Client(base_url=address[1], headers={"Origin": address[1]}, follow_redirects=True) as http:
                assert http.post("/console/login", data={"token": "wrong"}).status_code == 401
                page = http.post("/console/login", data={"token": broker.token})
                assert (page.status_code, "<h1>Overview" in page.text) == (200, True)
                events = {"accept": "text/event-stream"}
                with http.stream("GET", "/console/messages", headers=events) as stream:
                    assert next(stream.iter_lines()).startswith("data: ")
                    assert stream.headers["x-accel-buffering"] == "no"
        finally:
            process.terminate()
            process.wait(20)
            if process.stdout:
                process.stdout.close()
