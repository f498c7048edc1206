"""Lambda's events: this file turns an HTTP request into a payload of format 2.0, and a handler's result into a response.

Source: docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html; an HTTP API sends the same form.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

_TEXT = ("text/", "application/json", "application/xml", "application/javascript")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class NotAnAnswer(ValueError):
    """A handler returned what cannot be made a response; the text says what was expected."""


def event_of(
    method: str,
    path: str,
    query: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the event.

    Args:
        method, path, query: of the request; the path as it was sent, the query without its question mark.
        headers: as they came; names are lower-cased, values of one name joined by commas, cookies apart.
        body: bytes; base64 unless its content type is text.
        context: `domainName`, `requestId`, `sourceIp`, `timeEpoch` (milliseconds).
    """
    merged: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in ((name.lower(), value) for name, value in headers):
        if name == "cookie":
            cookies += [one.strip() for one in value.split(";")]
        else:
            merged[name] = f"{merged[name]},{value}" if name in merged else value
    encoded = _is_binary(merged.get("content-type", ""), body)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": merged,
        "requestContext": _request_context(method, path, merged, context),
        "isBase64Encoded": encoded,
    }
    if cookies:
        event["cookies"] = cookies
    if parameters := _parameters(query):
        event["queryStringParameters"] = parameters
    if body:
        event["body"] = base64.b64encode(body).decode() if encoded else body.decode()
    return event


def answer_of(result: Any) -> Answer:
    """Return the response that a handler's result means.

    Raises:
        NotAnAnswer: it cannot be one; the caller gets 502 then.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        try:
            text = result if isinstance(result, str) else json.dumps(result)
        except (TypeError, ValueError) as error:
            raise NotAnAnswer(f"the handler's result is not JSON: {error}") from error
        return Answer(200, [("content-type", "application/json")], text.encode())
    status, body = result["statusCode"], result.get("body") or ""
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise NotAnAnswer(f"statusCode must be a number from 100 to 599, not {status!r}")
    if not isinstance(body, str):
        raise NotAnAnswer(f"body must be a text (with isBase64Encoded for bytes), not {type(body).__name__}")
    headers = [(str(name).lower(), str(value)) for name, value in (result.get("headers") or {}).items()]
    headers += [("set-cookie", str(one)) for one in result.get("cookies") or ()]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return Answer(status, headers, base64.b64decode(body) if result.get("isBase64Encoded") else body.encode())


def _is_binary(content_type: str, body: bytes) -> bool:
    if not content_type.lower().startswith(_TEXT):
        return bool(body)
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _request_context(method: str, path: str, headers: dict[str, str], context: Mapping[str, Any]) -> dict[str, Any]:
    domain = context["domainName"]
    return {
        "accountId": "anonymous",
        "apiId": domain.partition(".")[0],
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": context["sourceIp"],
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": context["requestId"],
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": context["timeEpoch"],
    }


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
