"""Workflows on AWS Lambda, behind a function URL, an API gateway (HTTP or REST) or a load balancer."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Unpack
from urllib.parse import urlencode

from ringback.wire.http import Request, Response
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints

Entry = Callable[[dict[str, Any], Any], dict[str, Any]]


def serve(function: WorkflowFunction | Workflow, **options: Unpack[ServeOptions]) -> Entry:
    """Return the function that Lambda calls.

    >>> lambda_handler = serve(process_video)
    """
    return _entry(Endpoint(as_workflow(function, options)))


def serve_many(workflows: Mapping[str, WorkflowFunction | Workflow], **options: Unpack[ServeOptions]) -> Entry:
    """Return the function that Lambda calls for several workflows, each under a path that ends in its name."""
    return _entry(Endpoints(workflows, options))


def _entry(endpoint: Endpoint | Endpoints) -> Entry:
    def entry(event: dict[str, Any], _: Any) -> dict[str, Any]:
        request = _request(event)
        answer = LOOPS.wait_for(endpoint.answer(request, _origin(event, request) + request.target), endpoint.close)
        return _event(answer, "multiValueHeaders" in event)

    return entry


def _request(event: Mapping[str, Any]) -> Request:
    """Return the request that an event stands for.

    Raises:
        TypeError: it stands for none.
    """
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    if not isinstance(context, Mapping) or not ("http" in context or "httpMethod" in event):
        raise TypeError(
            "workflows are called by HTTP requests, and this event is none: it has to come from a function URL, an API "
            "gateway or a load balancer"
        )
    text = event.get("body") or ""
    body = b64decode(text) if event.get("isBase64Encoded") else text.encode()
    if "http" in context:
        method, path, caller = context["http"]["method"], event["rawPath"], context["http"].get("sourceIp")
        query = event.get("rawQueryString") or ""
    else:  # the path of `requestContext` has the stage in it, as the caller's has
        method, path = event["httpMethod"], context.get("path") or event["path"]
        caller, query = (context.get("identity") or {}).get("sourceIp"), _query(event)
    return Request(method, path + (f"?{query}" if query else ""), _headers(event), body, caller or "")


def _origin(event: Mapping[str, Any], request: Request) -> str:
    domain = event["requestContext"].get("domainName")
    if domain:
        return f"https://{domain}"
    return f"{request.header('x-forwarded-proto') or 'https'}://{request.header('host') or 'localhost'}"


def _headers(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    many = event.get("multiValueHeaders")
    if many:
        return [(name.lower(), value) for name, values in many.items() for value in values]
    return [(name.lower(), value) for name, value in (event.get("headers") or {}).items()]


def _query(event: Mapping[str, Any]) -> str:
    """Return the query, encoded: a REST API decodes it, and a load balancer leaves it as it came."""
    given = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    pairs = [(name, value) for name, held in given.items() for value in ([held] if isinstance(held, str) else held)]
    if "elb" in event["requestContext"]:
        return "&".join(f"{name}={value}" for name, value in pairs)
    return urlencode(pairs)


def _event(response: Response, many: bool) -> dict[str, Any]:
    """Return an answer; a load balancer that gives several values of a header reads no others."""
    headers = dict(response.headers)
    lines = {"multiValueHeaders": {name: [value] for name, value in headers.items()}} if many else {"headers": headers}
    return {"statusCode": response.status, **lines, "body": response.body.decode(), "isBase64Encoded": False}
