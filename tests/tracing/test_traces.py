"""One trace leads from the publisher through the broker's attempts to the steps at the endpoint."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ringback.wire.http import Request
from ringback.wire.options import Options
from ringback.wire.trace import traced
from ringback.workflow import Context, NonRetryableError
from ringback.workflow.definition import ServeOptions
from ringback.workflow.many import Endpoints
from ringback.workflow.tracing import Tracing
from support.endpoint import Answer, Received, eventually, listening
from support.process import running
from support.scripted_broker import ScriptedBroker

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Run what takes spans over OTLP/HTTP; yields its address and the spans it got."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_publish_its_attempts_and_the_endpoint_are_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([Answer(500), Answer(200)])

    def respond(_: Received) -> Answer:
        return next(answers)

    with collector() as (address, spans), listening(respond) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with running() as broker:
            headers = {
                "Authorization": f"Bearer {broker.token}",
                "Traceparent": PARENT,
                "Tracestate": "shop=7",
                "Upstash-Retry-Delay": "1",
            }
            message = httpx.post(f"{broker.url}/v2/publish/{endpoint.url}/in?secret=1", headers=headers).json()
            received = endpoint.wait_for(2)
            eventually(lambda: len(spans) == 3)
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    publish, *attempts = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert (publish.name, publish.parent_span_id.hex()) == ("publish publish", "b7ad6b7169203331")
    assert [span.parent_span_id for span in attempts] == [publish.span_id] * 2
    told = [{one.key: one.value.string_value or one.value.int_value for one in span.attributes} for span in attempts]
    assert [one["http.response.status_code"] for one in told] == [500, 200]
    assert {one["messaging.message.id"] for one in told} == {message["messageId"]}
    assert "secret" not in str(told)
    for request, span in zip(received, attempts, strict=True):
        assert request.headers["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
        assert request.headers["tracestate"] == "shop=7"


def test_requests_that_are_the_same_are_spans_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (address, spans), listening() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with running() as broker:
            with httpx.Client(headers={"Authorization": f"Bearer {broker.token}"}) as client:
                for _ in range(5):
                    client.post(f"{broker.url}/v2/publish/{endpoint.url}/in", content=b"same").raise_for_status()
            received = endpoint.wait_for(5)
            eventually(lambda: len(spans) == 10)
    publishes = {span.span_id for span in spans if span.name == "publish publish"}
    attempts = {span.span_id: span.parent_span_id for span in spans if span.name != "publish publish"}
    assert len(publishes) == 5
    assert set(attempts.values()) == publishes
    assert {one.headers["traceparent"].split("-")[2] for one in received} == {one.hex() for one in attempts}


def test_without_an_exporter_the_publishers_trace_is_passed_on() -> None:
    with listening() as endpoint, running() as broker:
        bearer = {"Authorization": f"Bearer {broker.token}", "Traceparent": PARENT}
        items = [{"destination": f"{endpoint.url}/item"}]
        httpx.post(f"{broker.url}/v2/batch", headers=bearer, json=items).raise_for_status()
        assert endpoint.wait_for(1)[0].headers["traceparent"] == PARENT


@pytest.mark.parametrize("value", ["", "nonsense", f"00-{TRACE}-short-01", PARENT.upper()])
def test_a_trace_that_cannot_be_read_is_left_out(value: str) -> None:
    assert traced(Options(), Request("POST", "/", [("traceparent", value)])) == Options()


def test_a_trace_that_is_forwarded_by_hand_wins() -> None:
    by_hand = Options(headers=(("Traceparent", "mine"),))
    assert traced(by_hand, Request("POST", "/", [("traceparent", PARENT)])) == by_hand


async def test_each_step_is_a_span_of_the_runs_trace() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def refuse() -> None:
        raise NonRetryableError("broken")

    async def order(context: Context[dict[str, Any]]) -> str:
        await context.run("charge", lambda: "charged")
        await context.run("pack", refuse)
        return "never"

    broker = ScriptedBroker()
    options = ServeOptions(transport=broker.transport, middlewares=[Tracing(provider)])
    broker.endpoints = {"https://shop.test/wf/order": Endpoints({"order": order}, options).answer}
    run = broker.trigger("https://shop.test/wf/order", "{}", **{"upstash-forward-traceparent": PARENT})
    await broker.drain()
    assert run.state == "RUN_FAILED"
    charge, pack = exporter.get_finished_spans()
    assert (charge.name, pack.name) == ("step charge", "step pack")
    assert {f"{span.context.trace_id:032x}" for span in (charge, pack) if span.context} == {TRACE}
    assert (charge.status.is_ok, pack.status.is_ok) == (True, False)
