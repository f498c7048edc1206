"""Requests that come in: through the protocol that reads them from a connection, and to the API of a whole broker."""

import asyncio
import logging
from functools import cache
from threading import Thread
from typing import cast

from ringback.broker.api.api import explain
from ringback.broker.api.connection import Connection, ServerLimits
from ringback.broker.api.server import Server
from ringback.broker.records import DeadLetter
from ringback.broker.stores.memory import MemoryStore, Rows
from ringback.wire.http import Outcome, Request, Response
from simulation.virtual import VirtualLoop
from support.inprocess import OTHER, TOKEN, InProcess, inprocess
from support.transport import Transport

_LIMITS = ServerLimits(head_bytes=4096, header_lines=20, body_bytes=4096)


class _Errors(logging.Handler):
    """Notes what the broker logs as a fault of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.found.append(record.exc_info[1])


async def answered_by_connection(data: bytes) -> None:
    """Whatever comes, in whatever pieces, is answered in HTTP or waited on, and no fault is logged."""

    def respond(request: Request) -> Response:
        return Response(200, [("Content-Type", "text/plain")], request.body)

    errors, log = _Errors(), logging.getLogger("ringback.server")
    log.addHandler(errors)
    try:
        for pieces in (
            (data,),
            (data[: len(data) // 2], data[len(data) // 2 :]),
            tuple(bytes((one,)) for one in data[:300]),
        ):
            server = Server(respond, host="", port=0, explain=explain, limits=_LIMITS)
            connection, transport = Connection(server), Transport()
            connection.connection_made(cast("asyncio.BaseTransport", transport))
            for piece in pieces:
                connection.data_received(piece)
            sent = b"".join(transport.sent)
            assert not sent or sent.startswith(b"HTTP/1.1 "), sent[:80]
            connection.connection_lost(None)
    finally:
        log.removeHandler(errors)
    assert not errors.found, errors.found


async def answered_by_api(data: bytes) -> None:
    """`METHOD target`, header lines, an empty line and a body are answered, and never with a fault of the broker's own.

    Whatever was asked for, what another account has published comes in time.
    """
    head, _, body = data.partition(b"\n\n")
    first, *rest = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    pairs = (line.partition(":") for line in rest)
    lines = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
    lines.append(("authorization", f"Bearer {TOKEN}"))
    errors, log = _Errors(), logging.getLogger("ringback")
    log.addHandler(errors)
    try:
        async with inprocess(_filled()) as ringed:
            answer = ringed.broker.api.respond(Request(method, target, lines, body, "192.0.2.1"))
            try:
                response = answer if isinstance(answer, Response) else await answer
            except Exception as error:
                explained = explain(error)
                if explained is None:
                    raise
                response = explained
            status = getattr(response, "status", 200)
            assert 200 <= status < 500, f"{status} for {data[:200]!r}"
            ringed.at += 3_600_000
            for _ in range(3):
                await ringed.broker.scheduler.tick()
                await ringed.broker.dispatcher.idle()
            await ringed.broker.janitor.tick()
            assert b"of another" in [one.body for one in ringed.sent], data[:200]
    finally:
        log.removeHandler(errors)
    assert not errors.found, errors.found


def answered_in_no_time(data: bytes) -> None:
    """See `answered_by_api`; on a loop that waits for nothing."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(answered_by_api(data))


def _filled() -> MemoryStore:
    """Return a store with something of each sort, as a broker has left it that was asked for it once."""
    store = MemoryStore()
    store._rows = {kind: dict(records) for kind, records in _rows().items()}
    return store


@cache
def _rows() -> Rows:
    store = MemoryStore()

    async def fill() -> None:
        async with inprocess(store) as ringed:
            await _fill(ringed)

    thread = Thread(target=lambda: asyncio.run(fill()))  # there is a loop in this one
    thread.start()
    thread.join()
    return store._rows


async def _fill(ringed: InProcess) -> None:
    """Something of each sort, failures among it, and a message of another account."""
    run = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-Url": "https://a.example/", "Upstash-Label": "a"}
    waiting = run | {"Upstash-Workflow-RunId": "wfr_1", "Upstash-Delay": "1d"}
    failed = run | {"Upstash-Workflow-RunId": "wfr_failed"}
    items = [{"destination": "https://a.example/", "headers": one, "body": "x"} for one in (waiting, failed)]
    ringed.respond = lambda _: Outcome(489, [("Upstash-NonRetryable-Error", "true")])
    await ringed.call("POST", "/v2/batch", items)
    await ringed.publish("https://a.example/", upstash_label="a", upstash_queue_name="q")
    await ringed.settle()
    assert await ringed.store.read(lambda tx: tx.count(DeadLetter)) == 2
    await ringed.call("POST", "/v2/topics/t/endpoints", {"endpoints": [{"url": "https://a.example/"}]})
    await ringed.call("POST", "/v2/schedules/https://a.example/", upstash_cron="0 0 1 1 *", upstash_schedule_id="s")
    await ringed.call("POST", "/v2/enqueue/q/https://a.example/", b"x", upstash_delay="1d")
    await ringed.call("POST", "/v2/publish/https://b.example/", b"of another", token=OTHER, upstash_delay="30m")
