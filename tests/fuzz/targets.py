"""What reads outside input: each target takes any bytes, and holds that nothing but the documented refusal comes of them."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl

from fuzz.served import answered_by_connection, answered_in_no_time
from ringback.broker.ids import parse_message_id, parse_position, position
from ringback.broker.rules.run_settle import carried
from ringback.broker.rules.runs import identity, read_step
from ringback.errors import Refused, SignatureInvalid
from ringback.wire import cron, destination, duration, flow_control, redaction, retry_after, retry_delay, signing, steps
from ringback.wire.batch import read_batch, read_letters
from ringback.wire.filters import DEAD_LETTER_FIELDS, EVENT_FIELDS, RUN_FIELDS, read_filter
from ringback.wire.headers import read_options
from ringback.wire.http import Outcome

NOW = 1_790_000_000_000
KEY = "sig_of_a_test"
DEEP = (b"[" * 60_000, b'{"a":' * 60_000, b'[{"body":' + b"[" * 60_000, b'{"stepId":1,"out":' + b"[" * 60_000)
"""Nested deeper than any stack."""


class Target(NamedTuple):
    """One parser.

    Attributes:
        run: takes any bytes.
        seeds: what it usually gets, to begin with.
    """

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _lines(data: bytes) -> list[tuple[str, str]]:
    """Header lines as the server reads them."""
    pairs = (line.partition(":") for line in data.decode("latin-1").split("\n"))
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs if name.strip()]


def read_headers(data: bytes) -> None:
    head, _, query = data.partition(b"\n\n")
    with suppress(Refused):
        read_options(_lines(head), dict(parse_qsl(_text(query))))


def read_cron(data: bytes) -> None:
    with suppress(Refused):
        assert cron.parse(_text(data)).next_at(NOW) > NOW


def read_duration(data: bytes) -> None:
    with suppress(Refused):
        assert duration.parse(_text(data)) >= 0


def read_retry_delay(data: bytes) -> None:
    with suppress(Refused):
        expression = retry_delay.compile_expression(_text(data))
        for retried in (0, 1, 99):
            wait = expression.delay_ms(retried)
            assert wait is None or 0 <= wait <= 86_400_000


def read_retry_after(data: bytes) -> None:
    wait = retry_after.delay_ms(_lines(data), NOW)
    assert wait is None or 0 <= wait <= 86_400_000


def read_small_values(data: bytes) -> None:
    key, _, value = _text(data).partition("\n")
    with suppress(Refused):
        flow_control.parse(key, value)
    with suppress(Refused):
        redaction.parse(value)


def read_filters(data: bytes) -> None:
    query, _, body = data.partition(b"\n")
    for fields in (EVENT_FIELDS, RUN_FIELDS, DEAD_LETTER_FIELDS):
        with suppress(Refused):
            read_filter(parse_qsl(_text(query), keep_blank_values=True), body, fields=fields, strict=True)


def read_cursor(data: bytes) -> None:
    text = _text(data)
    found = parse_position(text)
    assert found is None or (found >= 0 and parse_position(position(found)) == found)
    number = parse_message_id(text)
    assert number is None or -(2**64) < number < 2**64


def read_batches(data: bytes) -> None:
    for read in (read_batch, read_letters):
        with suppress(Refused):
            read(data)


def read_steps(data: bytes) -> None:
    read_step(data)
    assert identity(data, 1)[0] in "prm"
    with suppress(ValueError):
        steps.parse_step(data)
    with suppress(ValueError):
        steps.parse_entries(data)


def read_answer(data: bytes) -> None:
    """What a workflow's endpoint answers."""
    with suppress(Refused):
        carried(Outcome(200, [("Ringback-Result", "1")], data))


def read_destination(data: bytes) -> None:
    with suppress(Refused):
        target, _ = destination.split(data.decode("latin-1"))
        destination.classify(target)


def read_signature(data: bytes) -> None:
    token, _, body = data.partition(b"\n")
    with suppress(SignatureInvalid):
        signing.verify(token.decode("latin-1"), body, [KEY], NOW)
        bare = token.rstrip(b"=")  # padding makes no difference
        assert bare in SIGNED, "a signature that nobody has made is taken for one"


SIGNED = tuple(signing.sign("https://a.example/", body, KEY, NOW, "jwt_1").encode() for body in (b"", b"body"))
_ITEM = {"destination": "https://a.example/", "headers": {"Upstash-Delay": "5s"}, "body": {"a": 1}, "queue": "q"}
_STEP = {"stepId": 1, "stepName": "s", "stepType": "Run", "out": {"a": [1]}, "concurrent": 1, "targetStep": 2}
_ENTRY = {"messageId": "m", "body": "e30=", "callType": "step"}

TARGETS: dict[str, Target] = {
    "api": Target(
        answered_in_no_time,
        (
            b"POST /v2/publish/https://a.example/in?x=1\nUpstash-Delay: 1h\nUpstash-Callback: https://b.example/\n\nbody",
            b"POST /v2/enqueue/q/https://a.example/in\nUpstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1\n\n",
            b"POST /v2/schedules/https://a.example/\nUpstash-Cron: CRON_TZ=Europe/Berlin */5 * * * *\n\n",
            b"POST /v2/batch\n\n" + json.dumps([_ITEM]).encode(),
            b"DELETE /v2/messages?label=a&count=2&fromDate=1790000000000\n\n",
            b"GET /v2/events?cursor=1790000000000-1&state=ERROR&order=latestFirst\n\n",
            b"GET /v2/dlq?count=1&responseStatus=500\n\n",
            b"POST /v2/dlq/retry?label=a&count=1\nUpstash-Delay: 5s\n\n",
            b"DELETE /v2/dlq\n\n" + b'{"label":"a","count":1}',
            b"POST /v2/dlq\n\n" + json.dumps([_ITEM | {"responseStatus": 500, "retried": 1}]).encode(),
            b"POST /v2/workflows/dlq/resume?label=a\nUpstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1\n\n",
            b"POST /v2/workflows/dlq/restart?workflowUrl=https://a.example/&count=1\n\n",
            b"PATCH /v2/topics/t\n\n" + b'{"headers":{"Upstash-Delay":"1h","Upstash-Forward-X":["y","z"]}}',
            b"POST /v2/flowControl/k/pin?parallelism=2&rate=3&period=5\n\n",
            b"POST /v2/topics/t/endpoints\n\n" + b'{"endpoints":[{"url":"https://a.example/","name":"n"}]}',
            b"POST /v2/queues\n\n" + b'{"queueName":"q","parallelism":2,"paused":true}',
            b"POST /v2/batch/trigger\n\n" + json.dumps([_ITEM]).encode(),
            b"POST /v2/trigger/https://a.example/wf\nUpstash-Retries: 1\n\n{}",
            b"DELETE /v2/workflows/runs?workflowUrl=https://a.example/&count=3\n\n",
            b"POST /v2/notify/event\n\n{}",
            b"POST /v2/wait/event\nUpstash-Workflow-RunId: wfr_1\n\n"
            + json.dumps({"url": "https://a.example/", "timeout": "5s", "step": _STEP}).encode(),
            b"POST /v2/publish/https://a.example/\nUpstash-Workflow-RunId: wfr_1\nUpstash-Workflow-Url: https://a.example/\n\n"
            + json.dumps(_STEP).encode(),
            b"POST /v2/publish/https://a.example/\nUpstash-Workflow-RunId: wfr_2\nUpstash-Workflow-Init: true\n"
            b"Upstash-Workflow-Invoke: true\n\n"
            + json.dumps({"step": _STEP, "workflowRunId": "wfr_1", "body": "x"}).encode(),
            b"DELETE /v2/workflows/runs/wfr_1?cancel=false\n\nresult",
            b"DELETE /v2/queues/q\n\n",
            b"POST /v2/schedules/s/run\n\n",
            b"DELETE /v2/messages\n\n" + DEEP[1],
            b"POST /v2/batch\n\n" + DEEP[2],
        ),
    ),
    "connection": Target(
        lambda data: asyncio.run(answered_by_connection(data)),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /v2/publish/x HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\x1d\n",
        ),
    ),
    "headers": Target(
        read_headers,
        (
            b"Upstash-Delay: 1d2h\nUpstash-Retries: 3\nUpstash-Retry-Delay: pow(2, retried) * 1000\nContent-Type: a/b",
            b"Upstash-Forward-X: y\nUpstash-Callback: https://a.example/\nUpstash-Callback-Forward-Z: \xfc\nUpstash-Label: a,b",
            b"Upstash-Workflow-RunId: wfr_1\nUpstash-Workflow-Init: true\nUpstash-Not-Before: 1790000000\n\nUpstash-Timeout=5s",
            b"Upstash-Redact-Fields: body,header[Authorization]\nUpstash-Deduplication-Id: a\nUpstash-Method: PUT",
        ),
    ),
    "cron": Target(
        read_cron, (b"* * * * *", b"TZ=Asia/Kathmandu 0,30 9-17/2 1 jan-mar mon", b"@yearly", b"0 0 29 2 *")
    ),
    "duration": Target(read_duration, (b"1d2h3m4s", b"1.5h", b".5s", b"120ms", "1µs".encode())),
    "retry delay": Target(
        read_retry_delay,
        (b"min(60000, 5000 * pow(3, retried))", b"1 + -2 * (3 % 4) / retried", b"sqrt(exp(2))", b"(" * 5000),
    ),
    "retry after": Target(
        read_retry_after,
        (b"Retry-After: 120", b"x-ratelimit-reset: 6m5s", b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
    ),
    "flow control": Target(read_small_values, (b"key\nparallelism=5, rate=10, period=1m", b"k\nbody,header[A]")),
    "filter": Target(
        read_filters,
        (
            b"label=a,b&url=https://a.example/,https://b.example/&fromDate=1&toDate=2&count=5\n",
            b"\n" + json.dumps({"workflowUrl": ["https://a.example/"], "state": "RUN_STARTED", "count": 5}).encode(),
            *(b"\n" + deep for deep in DEEP),
        ),
    ),
    "cursor": Target(read_cursor, (b"1790000000000-12", b"1790000000000", b"msg_062cbd395ca18004")),
    "batch": Target(read_batches, (json.dumps([_ITEM, _ITEM]).encode(), *DEEP)),
    "steps": Target(read_steps, (json.dumps(_STEP).encode(), json.dumps([_ENTRY]).encode(), *DEEP)),
    "answer": Target(
        read_answer,
        (
            json.dumps({"submit": [_ITEM]}).encode(),
            json.dumps({"finish": {"result": "1"}}).encode(),
            b'{"submit":' + DEEP[2],
        ),
    ),
    "destination": Target(
        read_destination, (b"https://a.example/x?y=1&Upstash-Delay=1s", b"https%3A%2F%2Fa.example", b"api/llm")
    ),
    "signature": Target(
        read_signature,
        (SIGNED[0] + b"\n", SIGNED[1] + b"\nbody", SIGNED[1] + b"\nother", SIGNED[0] + b"=\n", b"a.b.c\n"),
    ),
}
