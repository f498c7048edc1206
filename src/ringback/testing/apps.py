"""Calling ASGI and WSGI applications of this process, and workflows without any application around them."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from ringback.wire.http import Outbound, Outcome, Request, canonical
from ringback.workflow.endpoint import Endpoint

Deliver = Callable[[Outbound], Awaitable[Outcome]]
"""Answers a request."""

_CALLER = "192.0.2.1"  # an address for documentation, RFC 5737


def deliver_to_app(app: Any) -> Deliver:
    """Return what brings requests to an ASGI or WSGI application; what it raises is answered with 500."""
    is_asgi = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004
    ask = _ask_asgi(app) if is_asgi else _ask_wsgi(app)

    async def deliver(sent: Outbound) -> Outcome:
        request = httpx.Request(sent.method, sent.url, headers=sent.headers, content=sent.body)
        try:
            response = await ask(request)
        except Exception as error:  # noqa: BLE001 - servers answer so whatever an application raises
            text = "".join(traceback.format_exception(error))
            return Outcome(500, [("Content-Type", "text/plain")], text.encode())
        lines = [(canonical(name), value) for name, value in response.headers.multi_items()]
        return Outcome(response.status_code, lines, response.content)

    return deliver


def deliver_to_workflow(endpoint: Endpoint) -> Deliver:
    """Return what brings deliveries to a workflow."""

    async def deliver(sent: Outbound) -> Outcome:
        parts = urlsplit(sent.url)
        headers = [("host", parts.netloc), *((name.lower(), value) for name, value in sent.headers)]
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        response = await endpoint.answer(Request(sent.method, target, headers, sent.body, _CALLER), sent.url)
        return Outcome(response.status, [(canonical(name), value) for name, value in response.headers], response.body)

    return deliver


def _ask_asgi(app: Any) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    transport = httpx.ASGITransport(app, client=(_CALLER, 443))

    async def ask(request: httpx.Request) -> httpx.Response:
        response = await transport.handle_async_request(request)
        await response.aread()
        return response

    return ask


def _ask_wsgi(app: Any) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    transport = httpx.WSGITransport(app, remote_addr=_CALLER)

    def ask(request: httpx.Request) -> httpx.Response:
        response = transport.handle_request(request)
        response.read()
        return response

    return lambda request: asyncio.to_thread(ask, request)
