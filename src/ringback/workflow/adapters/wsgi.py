"""Workflows as bare WSGI applications, for Vercel and other servers without a framework."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Unpack
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import request_uri

from ringback.wire.http import Request, Response
from ringback.workflow.answers import LARGEST_BODY, too_large
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints


def serve(function: WorkflowFunction | Workflow, **options: Unpack[ServeOptions]) -> WSGIApplication:
    """Return a WSGI application that serves a workflow, whatever its path.

    >>> app = serve(process_video)
    """
    return _application(Endpoint(as_workflow(function, options)))


def serve_many(
    workflows: Mapping[str, WorkflowFunction | Workflow], **options: Unpack[ServeOptions]
) -> WSGIApplication:
    """Return a WSGI application that serves several workflows, each under a path that ends in its name."""
    return _application(Endpoints(workflows, options))


def target_of(environ: WSGIEnvironment) -> str:
    """Return the request target of a WSGI request."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if isinstance(raw, str) and raw:
        return raw
    path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def request_of(environ: WSGIEnvironment) -> Request | None:
    """Return a WSGI request whole, None if it is larger than any broker sends."""
    size = environ.get("CONTENT_LENGTH") or "0"
    length = int(size) if size.isascii() and size.isdigit() else 0
    if length > LARGEST_BODY:
        return None
    body: bytes = environ["wsgi.input"].read(length)
    peer = environ.get("REMOTE_ADDR", "")
    return Request(environ["REQUEST_METHOD"], target_of(environ), _headers(environ), body, peer)


def respond(response: Response, start_response: StartResponse) -> Iterable[bytes]:
    """Return a response in WSGI's words."""
    length = ("Content-Length", str(len(response.body)))
    start_response(_status(response.status), [*response.headers, length])
    return [response.body]


def _application(endpoint: Endpoint | Endpoints) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = request_of(environ)
        if request is None:
            return respond(too_large(), start_response)
        answer = LOOPS.wait_for(endpoint.answer(request, request_uri(environ)), endpoint.close)
        return respond(answer, start_response)

    return application


def _headers(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    named = [(name[5:], value) for name, value in environ.items() if name.startswith("HTTP_")]
    named += [(name, environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    return [(name.replace("_", "-").lower(), value) for name, value in named]


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Workflow"  # 489 has no name in HTTP
