"""Calling ASGI and WSGI applications of this process, and workflows without any application around them."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from ringback.testing.lifespan import Lifespan, LifespanFailed
from ringback.wire.http import Outbound, Outcome, Request, canonical
from ringback.workflow.endpoint import Endpoint

Deliver = Callable[[Outbound], Awaitable[Outcome]]
"""Answers a request."""

_CALLER = "192.0.2.1"  # an address for documentation, RFC 5737


def is_asgi(app: Any) -> bool:
    """Tell whether an application speaks ASGI, else WSGI."""
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def deliver_to_app(app: Any, lifespan: Lifespan | None = None) -> Deliver:
    """Return what brings requests to an ASGI or WSGI application; what it raises is answered with 500.

    Args:
        app: the application.
        lifespan: of an ASGI application, to be begun before its first request; None where it is not to begin.
    """
    ask = _ask_asgi(app, lifespan) if is_asgi(app) else _ask_wsgi(app)

    async def deliver(sent: Outbound) -> Outcome:
        request = httpx.Request(sent.method, sent.url, headers=sent.headers, content=sent.body)
        try:
            response = await ask(request)
        except LifespanFailed:
            raise
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


def _ask_asgi(app: Any, lifespan: Lifespan | None) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    async def in_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if lifespan is not None:
            scope["state"] = lifespan.state.copy()
        await app(scope, receive, send)

    transport = httpx.ASGITransport(in_lifespan, client=(_CALLER, 443))

    async def ask(request: httpx.Request) -> httpx.Response:
        if lifespan is not None:
            await lifespan.begin()
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
