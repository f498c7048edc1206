"""Calls reach the broker as they are meant, and a lost answer is asked for again only where that does no harm."""

import asyncio
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

import httpx
import pytest

from ringback.client import (
    AsyncTransport,
    Broker,
    BrokerMisunderstood,
    BrokerUnreachable,
    SettingMissing,
    Transport,
    management,
)
from ringback.client import settings as broker_settings
from ringback.client.calls import Call, abandon, entries, publish, wait
from ringback.client.events import notify, waiters
from ringback.client.management import queue
from ringback.client.messages import Item
from ringback.client.runs import logs
from ringback.errors import Refused

BROKER = Broker("http://broker.test", "secret token")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(asyncio, "sleep", at_once)


Answer = Callable[[httpx.Request], httpx.Response]


def both(answer: Answer, call: Call[object]) -> list[object]:
    """Return what both transports make of a call: a result or an error each."""

    async def send() -> object:
        transport = AsyncTransport(BROKER, httpx.MockTransport(answer))
        try:
            return await transport.send(call)
        finally:
            await transport.close()

    results: list[object] = []
    blocking = Transport(BROKER, httpx.MockTransport(answer))
    for ask in (lambda: blocking.send(call), lambda: asyncio.run(send())):
        try:
            results.append(ask())
        except Exception as error:
            results.append(error)
    blocking.close()
    return results


def test_a_call_goes_to_the_broker_with_its_token() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"messageId": "m"})

    item = Item("https://shop.test/wf?a=b", {"Upstash-Forward-X": "é", "Upstash-Label": "✓"}, "bödy")
    assert both(answer, publish(item)) == [{"messageId": "m"}] * 2
    for request in seen:
        assert str(request.url) == "http://broker.test/v2/publish/https://shop.test/wf?a=b"
        assert request.headers["authorization"] == "Bearer secret token"
        assert (b"Upstash-Forward-X", "é".encode("latin-1")) in request.headers.raw
        assert (b"Upstash-Label", "✓".encode()) in request.headers.raw
        assert request.content == "bödy".encode()


def test_names_in_paths_are_escaped() -> None:
    assert wait("a/b ü?", {}, {}).path == "/v2/wait/a/b%20%C3%BC%3F"
    assert notify("a/b", None, "wfr_1/2").path == "/v2/notify/wfr_1/2/a/b"
    assert notify("a/../b").path == "/v2/notify/a%2F..%2Fb"
    assert waiters("a//b").path == "/v2/waiters/a%2F%2Fb"
    assert queue("a/b").path == "/v2/queues/a%2Fb"


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_refusal_carries_the_status_and_the_brokers_words(status: int) -> None:
    for error in both(lambda _: httpx.Response(status, json={"error": "not so"}), entries("wfr_1")):
        assert isinstance(error, Refused)
        assert error.status == status
        assert "not so" in error.text


@pytest.mark.parametrize("body", [b"", b"[", b"[1]", b'{"a": 1}', b'[{"body": "not base64!"}]'])
def test_an_answer_that_is_not_what_the_protocol_says_is_named_so(body: bytes) -> None:
    for error in both(lambda _: httpx.Response(200, content=body), entries("wfr_1")):
        assert isinstance(error, BrokerMisunderstood)


@pytest.mark.parametrize(
    ("call", "error", "tries"),
    [
        (logs(), httpx.ReadTimeout("slow"), 4),
        (logs(), httpx.ConnectError("down"), 4),
        (notify("e"), httpx.ReadTimeout("slow"), 1),
        (notify("e"), httpx.ConnectError("down"), 4),
    ],
)
def test_only_what_may_be_repeated_is_sent_again(call: Call[object], error: Exception, tries: int) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        raise error

    for result in both(answer, call):
        assert isinstance(result, BrokerUnreachable)
        assert "http://broker.test" in str(result)
        assert "secret" not in str(result)
    assert len(seen) == 2 * tries


def test_the_environment_says_where_the_broker_is() -> None:
    read = Broker.from_env
    assert read({"QSTASH_DEV": "true", "QSTASH_DEV_PORT": "99"}).url == "http://127.0.0.1:99"
    plain = {"QSTASH_TOKEN": "t", "QSTASH_CURRENT_SIGNING_KEY": "a", "QSTASH_NEXT_SIGNING_KEY": "b"}
    assert read(plain) == Broker(broker_settings.CLOUD_URL, "t", ("a", "b"))
    assert read({"QSTASH_TOKEN": "t", "QSTASH_URL": "http://x/"}).url == "http://x"
    regions = {"QSTASH_REGION": "US_EAST_1", "US_EAST_1_QSTASH_TOKEN": "us", "EU_CENTRAL_1_QSTASH_TOKEN": "eu"}
    assert [read(regions, region).token for region in (None, "eu-central-1", "mars")] == ["us", "eu", "us"]
    with pytest.raises(SettingMissing, match="QSTASH_TOKEN"):
        read({})


def test_a_broker_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(Broker("http://x", "secret", ("secret key",)))


def test_a_webhooks_address_needs_a_token_that_names_its_user() -> None:
    dev = Broker("http://x", broker_settings.DEV_TOKEN)
    assert dev.webhook_url("wfr_1", "evt_1") == "http://x/v2/workflows/hooks/defaultUser/wfr_1/evt_1"
    with pytest.raises(SettingMissing, match="UserID"):
        BROKER.webhook_url("wfr_1", "evt_1")


@pytest.mark.parametrize(("variable", "opened"), [("NO_PLATFORM", 1), ("VERCEL", 2), ("K_SERVICE", 2)])
def test_a_connection_is_kept_but_where_the_process_may_be_frozen(
    monkeypatch: pytest.MonkeyPatch, variable: str, opened: int
) -> None:
    monkeypatch.setenv(variable, "1")
    callers: set[tuple[str, int]] = set()

    class Kept(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            callers.add(self.client_address)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        transport = Transport(Broker(f"http://127.0.0.1:{server.server_port}", "token"))
        for _ in range(2):
            assert transport.send(Call("GET", "/", parse=lambda body: body)) == b"ok"
        transport.close()
        server.shutdown()
    assert len(callers) == opened


@pytest.mark.parametrize("id_", [".", "..", "...", "../keys/rotate", "a/../..", "a?b#c"])
def test_an_id_names_itself_and_never_another_call(id_: str) -> None:
    """With `.` for an id the call would be the one without an id, which cancels or deletes all there are."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    for path, call in (
        ("/v2/messages/", management.cancel_message(id_)),
        ("/v2/dlq/", management.dead_letter(id_)),
        ("/v2/queues/", management.delete_queue(id_)),
    ):
        both(answer, call)
        assert {unquote(one) for one in seen} == {f"{path}{id_}"}
        assert not {".", "..", ""} & {one.rpartition("/")[2] for one in seen}
        seen.clear()


@pytest.mark.parametrize(
    "ask", [management.message, management.cancel_message, management.delete_queue, entries, abandon]
)
def test_an_empty_id_is_refused_and_does_not_mean_all(ask: Callable[[str], Call[object]]) -> None:
    with pytest.raises(Refused, match="an id or a name is empty"):
        ask("")


def test_a_destination_stays_behind_what_it_is_for() -> None:
    """Whoever may name where to publish to would call what else there is, with our token."""
    url = "https://a.example/../../../../keys/./rotate?to=/../b"
    calls = publish(Item(url, {}, "")), management.publish(url), management.enqueue("q", url)
    for call in (*calls, management.set_schedule(url, "* * * * *")):
        sent = httpx.Request("POST", f"http://broker.test{call.path}").url.raw_path.decode()
        assert sent.endswith("https://a.example/%2E%2E/%2E%2E/%2E%2E/%2E%2E/keys/%2E/rotate?to=/../b")
