"""Workflows on AWS Lambda, behind a function URL or an API gateway (payload format 2.0)."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Unpack

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
        url = f"https://{event['requestContext']['domainName']}{request.target}"
        return _event(LOOPS.wait_for(endpoint.answer(request, url), endpoint.close))

    return entry


def _request(event: Mapping[str, Any]) -> Request:
    http = event["requestContext"]["http"]
    text = event.get("body") or ""
    body = b64decode(text) if event.get("isBase64Encoded") else text.encode()
    query = event.get("rawQueryString") or ""
    target = event["rawPath"] + (f"?{query}" if query else "")
    headers = [(name.lower(), value) for name, value in (event.get("headers") or {}).items()]
    return Request(http["method"], target, headers, body, http.get("sourceIp", ""))


def _event(response: Response) -> dict[str, Any]:
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }
