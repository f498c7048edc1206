"""Given the same delivery, our SDK makes the same requests as the official JavaScript one, and answers alike."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ringback import clock
from ringback.client import AsyncTransport, Broker, FlowControl, RunOptions
from ringback.client.runs import trigger
from ringback.client.settings import DEV_KEYS, DEV_TOKEN
from ringback.wire.http import Request
from ringback.wire.signing import sign
from ringback.workflow import BlockingContext, Context
from ringback.workflow.many import Endpoints
from ringback.workflow.steps import Webhook
from support.endpoint import Answer, Endpoint, Received, listening
from support.node import Workflows, require_clients, workflows
from support.process import BrokerProcess

pytestmark = pytest.mark.node

VENDOR = FlowControl("vendor", parallelism=2, rate=5, period="60s")
KINDS = ("run", "sleep", "until", "call", "plain", "wait", "notify", "told", "webhook", "hear", "invoke")
OF_TRANSPORT = {"host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-length"}
NOT_COMPARED = OF_TRANSPORT | {"authorization", "sec-fetch-mode", "date", "keep-alive"}


async def child(context: Context[Any]) -> int:
    return await context.run("a", lambda: 1)


def step(context: Context[Any], kind: str) -> Any:
    match kind:
        case "run":
            return context.run("run é", lambda: {"a": [1, 2.5, True, None, "é"]})
        case "sleep":
            return context.sleep("nap", "90s")
        case "until":
            return context.sleep_until("until", "2030-01-01T00:00:00Z")
        case "call":
            return context.call(
                "call", url="https://vendor.test/x?y=1", method="PUT", body={"q": "é"},
                headers={"Authorization": "Bearer v", "X-A": "b"}, retries=2, retry_delay="1000 * (1 + retried)",
                timeout="30s", flow_control=VENDOR,
            )  # fmt: skip
        case "plain":
            return context.call("plain", url="https://vendor.test/")
        case "wait":
            return context.wait_for_event("wait", "é/paid 7", timeout="60s")
        case "notify":
            return context.notify("notify", "é/paid 7", {"sum": "é"})
        case "told":
            return context.notify("told", "paid 7", "text", workflow_run_id="wfr_other")
        case "webhook":
            return context.create_webhook("webhook")
        case "hear":
            return context.wait_for_webhook("hear", Webhook("https://broker.test/hook", "evt_given"), timeout="60s")
    options = RunOptions(headers={"X-Tenant": "acme"}, retries=1, retry_delay="1000", flow_control=VENDOR)
    return context.invoke("invoke", child, body={"n": 1}, workflow_run_id="kid", options=options)


async def one(context: Context[str]) -> dict[str, str]:
    kind = context.request_payload
    if kind == "cancel":
        await context.cancel()
    if kind == "group":
        await context.parallel(*(step(context, each) for each in KINDS))
    else:
        await step(context, kind)
    return {"ended": "é"}


def one_plainly(context: BlockingContext[str]) -> dict[str, str]:
    kind = context.request_payload
    if kind == "cancel":
        context.cancel()
    if kind == "group":
        context.parallel(*(step(context.pending, each) for each in KINDS))
    else:
        context.wait_for(step(context.pending, kind))
    return {"ended": "é"}


@dataclass
class Both:
    """The two SDKs, and the broker that notes what they send."""

    app: Workflows
    ours: Endpoints
    broker: Endpoint
    transport: AsyncTransport

    async def deliver(self, headers: dict[str, str], body: bytes) -> tuple[list[Any], list[Any]]:
        """Make one delivery to each and return what came of it, theirs first."""
        url = f"{self.app.url}/many/one"
        signed = {**headers, "content-type": "application/json"}
        signed["upstash-signature"] = sign(url, body, DEV_KEYS[0], clock.now(), "jti")
        self.broker.received.clear()
        async with httpx.AsyncClient() as client:
            answer = await client.post(url, content=body, headers=signed)
        theirs = [told(answer.status_code, dict(answer.headers), answer.content), *map(said, self.broker.received)]
        self.broker.received.clear()
        mine = await self.ours.answer(Request("POST", "/many/one", list(signed.items()), body), url)
        ours = [told(mine.status, dict(mine.headers), mine.body), *map(said, self.broker.received)]
        return theirs, ours


def respond(request: Received) -> Answer:
    """Answer as a broker that takes everything."""
    body: Any = {"messageId": "msg_1"}
    if request.path.startswith("/v2/batch"):
        body = [body] * len(json.loads(request.body))
    return Answer(body=json.dumps([] if request.path.startswith("/v2/notify") else body).encode())


@pytest.fixture(scope="module")
def broker() -> Iterator[Endpoint]:
    with listening(respond) as listener:
        yield listener


@pytest.fixture(scope="module")
def app(broker: Endpoint) -> Iterator[Workflows]:
    require_clients()
    process: Any = None
    with workflows(BrokerProcess(process, broker.url, DEV_TOKEN, *DEV_KEYS), "same.mjs") as running:
        yield running


@pytest.fixture(params=[one, one_plainly], ids=["async", "plain"])
async def both(request: pytest.FixtureRequest, app: Workflows, broker: Endpoint) -> AsyncIterator[Both]:
    transport = AsyncTransport(Broker(broker.url, DEV_TOKEN, DEV_KEYS))
    ours = Endpoints({"one": request.param, "child": child}, {"transport": transport, "base_url": "https://shop.test"})
    yield Both(app, ours, broker, transport)
    await transport.close()


def said(request: Received) -> dict[str, Any]:
    """Return a request without what may differ."""
    headers = compared(request.headers)
    if request.method == "DELETE" or "/notify/" in request.path:
        headers.pop("content-type", None)  # what the HTTP client makes of it
    return {"line": f"{request.method} {request.path}", "headers": headers, "body": plain(request.body.decode())}


def told(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return an answer without what may differ."""
    shown = {name: value for name, value in compared(headers).items() if name.startswith("upstash")}
    return {"status": status, "headers": shown, "body": plain(body.decode())}


def compared(headers: dict[str, Any]) -> dict[str, Any]:
    lower = {name.lower(): value for name, value in headers.items() if "telemetry" not in name.lower()}
    lower.pop("upstash-forward-content-type", None)  # beside Content-Type, which says the same
    return {name: plain(value) for name, value in lower.items() if name not in NOT_COMPARED}


def plain(value: Any) -> Any:
    """Return JSON with the texts in it read, its headers compared, and without random ids."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        grouped = ("headers", "timeoutHeaders")
        return {name: compared(one) if name in grouped else plain(one) for name, one in value.items()}
    if isinstance(value, str) and value[:1] in ("{", "["):
        return plain(json.loads(value))
    return re.sub("evt_[A-Za-z0-9_-]{15}", "evt_random", value) if isinstance(value, str) else value


def b64(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return b64encode(text.encode()).decode()


def delivery(payload: str, *steps: Any) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a delivery whose last entry is the last of these steps."""
    bodies = [payload, *steps]
    entries = [{"messageId": f"msg_{at}", "body": b64(one), "callType": "step"} for at, one in enumerate(bodies)]
    known = {"upstash-workflow-sdk-version": "1", "upstash-message-id": f"msg_{len(steps)}"}
    return known | RUN, json.dumps(entries, separators=(",", ":")).encode()


RUN = {
    "upstash-workflow-runid": "wfr_1",
    "upstash-workflow-createdat": "1795493627534",
    "upstash-workflow-invoke-count": "2",
}


@pytest.mark.parametrize("kind", [*KINDS, "group", "cancel"])
async def test_a_step_is_asked_for_alike(both: Both, kind: str) -> None:
    theirs, ours = await both.deliver(*delivery(kind))
    assert len(theirs) > 1
    assert ours == theirs


async def test_each_member_of_a_group_is_executed_alike(both: Both) -> None:
    (_, announced), _ = await both.deliver(*delivery("group"))
    plans = [item["body"] for item in announced["body"]]
    assert len(plans) == len(KINDS)
    for at, kind in enumerate(KINDS):
        others = plans[:at] + plans[at + 1 :]
        theirs, ours = await both.deliver(*delivery("group", *others, plans[at]))
        assert len(theirs) > 1
        assert (kind, ours) == (kind, theirs)


async def test_the_end_and_what_is_repeated_are_told_alike(both: Both) -> None:
    result = {"stepId": 1, "stepName": "run é", "stepType": "Run", "out": "1", "concurrent": 1}
    for steps in ([result], [result, result]):
        theirs, ours = await both.deliver(*delivery("run", *steps))
        assert ours == theirs


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_the_answer_of_a_call_is_passed_on_alike(both: Both, status: int) -> None:
    body = {
        "status": status,
        "header": {"X-A": ["b"]},
        "body": b64("é ☃"),
        "retried": 1,
        "maxRetries": 2 if status == 500 else 0,
    }
    marks = {"callback": "true", "stepid": "1", "stepname": "plain", "steptype": "Call", "concurrent": "1"}
    named = {f"upstash-workflow-{name}": value for name, value in marks.items()}
    headers = RUN | named | {"upstash-workflow-contenttype": "application/json"}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    theirs, ours = await both.deliver(headers, text)
    for answer in (theirs[0], ours[0]):
        answer["body"].pop("workflowRunId")  # theirs is random here
    assert ours == theirs


async def test_a_run_is_started_alike(both: Both) -> None:
    both.broker.received.clear()
    asked = {
        "url": "https://shop.test/many/one", "body": {"n": "é"}, "workflowRunId": "mine", "retries": 2,
        "headers": {"X-Tenant": "acme", "Content-Type": "text/plain"}, "retryDelay": "1000", "delay": "10s",
        "flowControl": {"key": "vendor", "parallelism": 2, "rate": 5, "period": "60s"}, "notBefore": 1893456000,
        "label": ["gold", "eu"], "failureUrl": "https://shop.test/failed", "redact": {"body": True, "header": ["A"]},
    }  # fmt: skip
    both.app.call("trigger", args=[asked])
    options = RunOptions(
        retries=2, headers={"X-Tenant": "acme", "Content-Type": "text/plain"}, retry_delay="1000", delay="10s",
        flow_control=VENDOR, not_before=1893456000, labels=("gold", "eu"), failure_url="https://shop.test/failed",
        redact=("body", "header[A]"),
    )  # fmt: skip
    url = "https://shop.test/many/one"
    await both.transport.send(trigger(url=url, body={"n": "é"}, workflow_run_id="mine", options=options))
    theirs, ours = map(said, both.broker.received)
    assert ours == theirs
