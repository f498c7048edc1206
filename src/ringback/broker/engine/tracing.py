"""Traces with OpenTelemetry: a span for each publish and each attempt, joined to those of publisher and endpoint.

Nothing of this is loaded unless an exporter is named in the environment (`OTEL_EXPORTER_OTLP_ENDPOINT`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ringback import __version__
from ringback.broker.engine.dispatcher import Sender
from ringback.wire.http import Headers, Outbound, Outcome, Request, Response, Stream
from ringback.wire.trace import NAMES

Respond = Callable[[Request], Response | Awaitable[Response | Stream]]
_PUBLISHING = ("/v2/publish/", "/v2/enqueue/", "/v2/batch", "/v2/trigger/")
_propagator = TraceContextTextMapPropagator()


def provider_from_environment() -> TracerProvider:
    """Return a provider that exports over OTLP/HTTP as the standard's variables say; it exports on a thread of its own."""
    provider = TracerProvider(resource=Resource.create({"service.name": "ringback", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Makes spans.

    Args:
        provider: where they go.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("ringback", __version__)

    def around(self, respond: Respond) -> Respond:
        """Return `respond` with a span around each publish; the message goes on in that span."""

        def traced(request: Request) -> Response | Awaitable[Response | Stream]:
            if request.method != "POST" or not request.target.startswith(_PUBLISHING):
                return respond(request)
            name = f"publish {request.target.split('/')[2]}"
            span = self._tracer.start_span(name, _propagator.extract(dict(request.headers)), SpanKind.PRODUCER)
            try:
                answer = respond(request.with_headers(_joined(request.headers, span)))
            except BaseException as error:
                _end(span, None, error)
                raise
            if isinstance(answer, Response):
                _end(span, answer.status, None)
                return answer
            future = asyncio.ensure_future(answer)
            future.add_done_callback(lambda done: _end_with(span, done))
            return future

        return traced

    def sending(self, sender: Sender) -> Sender:
        """Return the sender with a span around each attempt; the endpoint goes on in that span."""
        return _TracedSender(sender, self._tracer)

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


class _TracedSender:
    def __init__(self, sender: Sender, tracer: Any) -> None:
        self._sender = sender
        self._tracer = tracer

    async def send(self, outbound: Outbound) -> Outcome:
        told = {name.lower(): value for name, value in outbound.headers}
        url = urlsplit(outbound.url)
        attributes = {
            "http.request.method": outbound.method,
            "server.address": url.hostname or "",
            "url.path": url.path,
            "messaging.system": "ringback",
            "messaging.message.id": told.get("upstash-message-id", ""),
            "http.request.resend_count": int(told.get("upstash-retried", "0")),
        }
        if "upstash-workflow-runid" in told:
            attributes["ringback.run_id"] = told["upstash-workflow-runid"]
        parent = _propagator.extract(told)
        span = self._tracer.start_span(f"attempt {outbound.method}", parent, SpanKind.CLIENT, attributes)
        outbound.headers = _joined(outbound.headers, span)
        outcome = await self._sender.send(outbound)
        _end(span, outcome.status, outcome.error)
        return outcome


def _joined(headers: Headers, span: Span) -> Headers:
    """Return the headers with the span as the parent of whatever comes next."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span))
    return [line for line in headers if line[0].lower() not in NAMES] + list(carrier.items())


def _end_with(span: Span, done: "asyncio.Future[Response | Stream]") -> None:
    if done.cancelled():
        _end(span, None, "canceled")
    elif done.exception() is not None:
        _end(span, None, done.exception())
    else:
        _end(span, done.result().status, None)


def _end(span: Span, status: int | None, error: BaseException | str | None) -> None:
    if status:
        span.set_attribute("http.response.status_code", status)
    if error is not None or (status is not None and not 200 <= status < 300):
        span.set_status(Status(StatusCode.ERROR, str(error) if error is not None else f"status {status}"))
    span.end()
