"""What stands between the broker and an endpoint is named, with the remedy."""

import asyncio
import logging
from typing import Any

import pytest

from ringback.broker.records import Message
from ringback.broker.rules.preflight import judge
from ringback.wire.http import Outcome
from support.inprocess import OTHER, READ_ONLY, START, InProcess, answering

URL = "https://endpoint.test/api/order"
NOW = 1_772_443_800_000  # 2026-03-02 09:30:00 UTC
SDK = ("Upstash-Workflow-Sdk-Version", "1")
LOGIN = b"<html><title>Authentication Required</title> https://vercel.com/sso-api?url=...</html>"


def of(*headers: tuple[str, str], status: int = 200, body: bytes = b"", error: str | None = None) -> Outcome:
    return Outcome(status, list(headers), body, error)


@pytest.mark.parametrize(
    ("outcome", "subject", "says", "remedy"),
    [
        (of(status=0, error="connection refused"), "reachable", "does not answer: connection refused", "start the app"),
        (of(status=0, error="cannot resolve shop.test: nope"), "reachable", "cannot resolve", "host name"),
        (of(status=0, error="TLS certificate not accepted: expired"), "reachable", "TLS", "certificate"),
        (
            of(status=0, error="endpoint resolves to a private address: 10.0.0.7"),
            "reachable",
            "private address",
            "RINGBACK_ALLOWED_HOSTS",
        ),
        (of(status=0, error="no complete response within 10 s"), "reachable", "no complete response", "faster"),
        (
            of(("Server", "Vercel"), status=401, body=LOGIN),
            "protection",
            "Vercel's Deployment Protection",
            "Upstash-Forward-X-Vercel-Protection-Bypass",
        ),
        (of(("Cf-Mitigated", "challenge"), status=403), "protection", "Cloudflare", "rule"),
        (of(("Ngrok-Error-Code", "ERR_NGROK_3200"), status=404), "protection", "ERR_NGROK_3200", "tunnel"),
        (of(("Www-Authenticate", "Basic realm=x"), status=401), "protection", "password", "path pass"),
        (of(("X-Vercel-Error", "DEPLOYMENT_NOT_FOUND"), status=404), "route", "DEPLOYMENT_NOT_FOUND", "address"),
        (of(("Location", "https://shop.test/login?secret=1"), status=307), "route", "https://shop.test/login;", "redirects to"),
        (of(status=404), "route", "nothing is served at this path (404)", "check the path"),
        (of(status=405), "route", "does not take the method", "POST"),
        (of(status=413), "body limit", "413", "address"),
        (of(("X-Vercel-Error", "FUNCTION_INVOCATION_TIMEOUT"), status=504), "time limit", "FUNCTION_INVOCATION_TIMEOUT", "steps"),
        (of(body=b"<html>"), "route", "no workflow SDK answers there", "something else"),
        (
            of(SDK, status=401, body=b'{"error":"SignatureInvalid","message":"the signature was made with another key"}'),
            "signature",
            "another key",
            "QSTASH_CURRENT_SIGNING_KEY",
        ),
        (
            of(SDK, status=500, body=b'{"error":"WorkflowError","message":"Failed to verify that the Workflow request comes '
            b'from QStash: signature has expired"}'),
            "signature",
            "has expired",
            "clocks",
        ),
        (
            of(SDK, status=500, body=b'{"error":"WorkflowError","message":"no answer from the broker at http://x"}'),
            "way back",
            "no answer from the broker",
            "QSTASH_URL",
        ),
        (of(SDK, ("Date", "Mon, 02 Mar 2026 09:28:00 GMT")), "clock", "120 s behind", "NTP"),
        (of(SDK, ("Date", "Mon, 02 Mar 2026 09:36:00 GMT")), "clock", "360 s ahead", "NTP"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_named_with_its_remedy(
    outcome: Outcome, subject: str, says: str, remedy: str
) -> None:
    (bad,) = [one for one in judge(outcome, NOW, "workflow") if one.state == "bad"]
    assert bad.subject == subject
    assert says in bad.text
    assert remedy in bad.remedy


def test_a_workflow_that_takes_the_delivery_is_good() -> None:
    found = judge(of(SDK, ("Date", "Mon, 02 Mar 2026 09:30:00 GMT"), ("Ringback-Platform", "vercel")), NOW, "workflow")
    assert {(one.subject, one.state) for one in found} == {
        *(("reachable", "good"), ("route", "good"), ("signature", "good"), ("clock", "good"), ("platform", "good")),
    }


@pytest.mark.parametrize("status", [200, 400, 401, 405])
def test_an_endpoint_that_refuses_a_get_is_there(status: int) -> None:
    assert all(one.state == "good" for one in judge(of(status=status), NOW, "get"))


def test_an_error_of_the_application_is_not_held_against_the_way() -> None:
    for asked in ("workflow", "message"):
        assert [one for one in judge(of(status=500, body=b"KeyError"), NOW, asked) if one.state == "bad"] == []


async def preflight(ringed: InProcess, token: str = READ_ONLY, url: str = URL) -> Any:
    return (await ringed.call("GET", f"/v2/preflight?url={url}", token=token)).json


async def test_failed_deliveries_teach_it_and_the_log_says_so_once(
    ringed: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    ringed.respond = answering(404)
    with caplog.at_level(logging.WARNING, "ringback.preflight"):
        await ringed.publish(f"{URL}?key=secret", upstash_retries="3")
        await ringed.turn(3_600_000)
    assert [record.getMessage() for record in caplog.records if record.name == "ringback.preflight"] == [
        f"{URL}: route: nothing is served at this path (404) -> check the path"
    ]
    told = await preflight(ringed, url=f"{URL}%3Fkey=secret")
    assert (told["ok"], told["how"], told["url"]) == (False, "delivery", URL)
    assert "error" in await preflight(ringed, OTHER, f"{URL}%3Fkey=secret")


async def test_it_is_good_again_after_a_delivery_that_succeeds(ringed: InProcess) -> None:
    ringed.respond = answering(404, 200)
    await ringed.publish(URL, upstash_retries="3")
    await ringed.settle()
    assert (await preflight(ringed))["ok"] is False
    await ringed.turn(60_000)
    assert (await preflight(ringed))["ok"] is True


async def test_of_what_was_never_called_nothing_is_known(ringed: InProcess) -> None:
    assert (await ringed.call("GET", f"/v2/preflight?url={URL}")).status == 404
    assert (await ringed.call("GET", "/v2/preflight")).status == 400


async def test_a_look_sends_a_get_and_nothing_is_delivered(ringed: InProcess) -> None:
    ringed.respond = answering(405)
    told = (await ringed.call("POST", "/v2/preflight", {"url": URL})).json
    assert (told["ok"], told["how"], told["workflow"]) == (True, "look", False)
    assert [(sent.method, sent.body) for sent in ringed.sent] == [("GET", b"")]
    assert await ringed.broker.store.read(lambda tx: tx.count(Message)) == 0


async def test_a_look_at_a_workflow_is_a_signed_delivery_of_no_run(ringed: InProcess) -> None:
    ringed.respond = lambda _: of(SDK)
    told = (await ringed.call("POST", "/v2/preflight", {"url": URL, "workflow": True})).json
    assert told["ok"] is True
    (sent,) = ringed.sent
    assert (sent.method, sent.body, ringed.header(0, "Upstash-Workflow-Sdk-Version")) == ("POST", b"", "1")
    assert (ringed.header(0, "Upstash-Workflow-RunId") or "").startswith("wfr_preflight_")


@pytest.mark.parametrize("url", ["", "a-group", "ftp://x.test"])
async def test_what_is_no_url_is_refused(url: str, ringed: InProcess) -> None:
    assert (await ringed.call("POST", "/v2/preflight", {"url": url})).status == 400


async def test_a_token_that_only_reads_may_not_look(ringed: InProcess) -> None:
    assert (await ringed.call("POST", "/v2/preflight", {"url": URL}, token=READ_ONLY)).status == 403


async def test_looks_do_not_delay_deliveries(ringed: InProcess) -> None:
    ringed.held = asyncio.Event()
    looks = [
        asyncio.ensure_future(ringed.call("POST", "/v2/preflight", {"url": f"{URL}/{number}", "workflow": False}))
        for number in range(20)
    ]
    await ringed.publish(URL)
    await ringed.settle()
    assert ringed.most_in_flight == 9  # eight looks, and the message
    ringed.held.set()
    assert all(answer.json["ok"] for answer in await asyncio.gather(*looks))
    assert ringed.at == START
