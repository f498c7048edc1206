"""One workflow at one URL with a scripted broker, in a line."""

from collections.abc import Callable
from typing import Any

from ringback.workflow.definition import ServeOptions, as_workflow
from ringback.workflow.endpoint import Endpoint
from support.scripted_broker import Run, ScriptedBroker

URL = "https://shop.test/wf/one"


def serve_one(broker: ScriptedBroker, function: Callable[..., Any], **options: Any) -> Endpoint:
    """Serve a function and return its endpoint."""
    endpoint = Endpoint(as_workflow(function, ServeOptions(**{"transport": broker.transport, **options})))
    broker.endpoints[URL] = endpoint.answer
    return endpoint


async def run_one(function: Callable[..., Any], payload: object = None, **options: Any) -> Run:
    """Serve a function, start one run without retries, and return it when it has ended."""
    broker = ScriptedBroker()
    serve_one(broker, function, **options)
    run = broker.trigger(URL, payload)
    run.retries = 0
    await broker.drain()
    await broker.transport.close()
    return run
