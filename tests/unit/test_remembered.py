"""What comes in from outside fills no memory: long texts are read, and not remembered."""

import json
from typing import Any

from ringback.broker.engine import sender
from ringback.broker.records import Message
from ringback.broker.rules import facets
from ringback.broker.stores import rows, stretches
from ringback.wire import batch, cron, flow_control, headers
from ringback.wire.batch import read_batch
from ringback.wire.destination import classify
from ringback.wire.guard import Policy, literal_refusal
from ringback.wire.options import FlowControl

URL = f"https://a.example/{'x' * 5000}"
CACHES: tuple[Any, ...] = (
    classify,
    literal_refusal,
    cron.parse,
    batch._known_options,
    headers._known,
    flow_control._known_limits,
    facets._known_facets,
    rows._parts,
    stretches._known_hash,
    sender._target,
)


def message(url: str, *labels: str) -> Message:
    return Message(1, "t", url, "POST", (), b"", 0, 0, 0, 0, labels=labels)


def test_what_is_long_is_read_and_not_remembered() -> None:
    before = [one.cache_info().currsize for one in CACHES]
    long = {"Upstash-Forward-X-" + "x" * 200: "1" * 5000}
    flow = {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": f"rate=7{',' * 5000}"}
    items = [{"destination": URL, "headers": asked, "body": "b"} for asked in (long, flow)]
    forwarded, limited = read_batch(json.dumps(items).encode())
    assert forwarded.destination.text == URL
    assert limited.options.flow_control == FlowControl("k", rate=7)
    assert literal_refusal(URL, Policy()) is None
    assert cron.parse(" " * 5000 + "* * * * *").minutes
    assert rows._parts(URL) == ("a.example", URL.removeprefix("https://a.example"))
    assert sender._target(URL).request.startswith(b" /xxx")
    for one in (message(URL), message("https://a.example/labels", "l" * 600, "m" * 600)):
        (described, *labels) = facets.described(one, 0)
        assert (described.url, len(labels)) == (one.url, len(one.labels))  # type: ignore[attr-defined]
    assert stretches._hash("url", URL) != stretches._hash("path", URL)
    assert [one.cache_info().currsize for one in CACHES] == before
