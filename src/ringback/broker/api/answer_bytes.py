"""Answers as the bytes that go over a connection."""

import json
from http import HTTPStatus

from ringback.wire.http import Headers, Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("latin-1") for status in HTTPStatus
}


def refusal(status: int, text: str) -> Response:
    """Return the answer to a request that cannot be answered otherwise."""
    return Response(status, [("Content-Type", "application/json")], json.dumps({"error": text}).encode())


def encode(response: Response, *, keep_alive: bool, with_body: bool) -> bytes:
    """Return a whole answer.

    Args:
        response: what is answered.
        keep_alive: whether the connection stays open.
        with_body: False for the answer to a HEAD request.
    """
    connection = "" if keep_alive else "Connection: close\r\n"
    top = head(response.status, response.headers, f"{connection}Content-Length: {len(response.body)}\r\n")
    return top + (response.body if with_body else b"")


def head(status: int, headers: Headers, more: str) -> bytes:
    """Return status line and header lines; `more` are further lines, each with its end."""
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode("latin-1")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return line + f"{lines}{more}\r\n".encode("latin-1", "replace")
