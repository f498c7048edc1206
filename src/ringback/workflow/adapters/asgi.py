"""Workflows as bare ASGI applications, for Vercel and other servers without a framework."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Unpack

from ringback.wire.http import Request, Response
from ringback.workflow.answers import LARGEST_BODY, too_large
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.many import Endpoints

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def serve(function: WorkflowFunction | Workflow, **options: Unpack[ServeOptions]) -> Application:
    """Return an ASGI application that serves a workflow, whatever its path.

    >>> app = serve(process_video)
    """
    return Served(Endpoint(as_workflow(function, options)))


def serve_many(workflows: Mapping[str, WorkflowFunction | Workflow], **options: Unpack[ServeOptions]) -> Application:
    """Return an ASGI application that serves several workflows, each under a path that ends in its name."""
    return Served(Endpoints(workflows, options))


class Served:
    """The ASGI application of an endpoint, or of several."""

    def __init__(self, endpoint: Endpoint | Endpoints) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live as long as the server does."""
        if scope["type"] == "lifespan":
            await _live(self._endpoint, receive, send)
        elif scope["type"] == "http":
            body = await body_of(receive)
            response = too_large() if body is None else await self._answer(scope, body)
            await send_response(response, send)

    async def _answer(self, scope: Scope, body: bytes) -> Response:
        request = request_of(scope, body)
        host = request.header("host") or "localhost"
        return await self._endpoint.answer(request, f"{scope.get('scheme', 'http')}://{host}{request.target}")


def request_of(scope: Scope, body: bytes) -> Request:
    """Return an ASGI request."""
    # Servers give names in lower case
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    client = scope.get("client")
    return Request(scope["method"], _target(scope), headers, body, client[0] if client else "")


async def send_response(response: Response, send: Send) -> None:
    """Send an answer."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _live(endpoint: Endpoint | Endpoints, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await endpoint.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "lifespan.startup.complete"})


async def body_of(receive: Receive) -> bytes | None:
    """Return the body of a request, None if it is larger than any broker sends."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _target(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
