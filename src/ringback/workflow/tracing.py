"""Traces with OpenTelemetry: a span for each step, below the attempt of the broker that brought it."""

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ringback.workflow.context import Context
from ringback.workflow.middleware import Middleware

_propagator = TraceContextTextMapPropagator()


class Tracing(Middleware):
    """Makes a span of each step a delivery executes: `serve(app, path, workflow, middlewares=[Tracing()])`.

    Args:
        provider: where spans go; the process's own unless given.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("ringback.workflow", tracer_provider=provider)
        self._open: dict[tuple[str, str], Span] = {}

    def before_execution(self, context: Context[Any], step: str) -> None:
        """See `Middleware`."""
        carrier = {name: context.headers[name] for name in ("traceparent", "tracestate") if name in context.headers}
        attributes = {"ringback.run_id": context.workflow_run_id, "ringback.step": step}
        parent = _propagator.extract(carrier)
        span = self._tracer.start_span(f"step {step}", parent, SpanKind.CONSUMER, attributes)
        self._open[context.workflow_run_id, step] = span

    def after_execution(self, context: Context[Any], step: str, result: Any) -> None:  # noqa: ARG002 - see `Middleware`
        """See `Middleware`."""
        span = self._open.pop((context.workflow_run_id, step), None)
        if span is not None:
            span.end()

    def failed(self, run_id: str, error: BaseException) -> None:
        """See `Middleware`."""
        for key in [key for key in self._open if key[0] == run_id]:
            span = self._open.pop(key)
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, str(error)))
            span.end()
