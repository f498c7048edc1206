"""Attempts: what is told of an answer that is not all there, and the request as a command that makes it again."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ringback.console.views.wish import METHODS
from ringback.console.views.words import body_of, size

Shape = dict[str, Any]
_LONGEST_COMMAND = 20_000
_LONGEST_ADDRESS = 4_000
_OWN = ("user-agent", "content-type", "upstash-")
"""What the builder sets by itself, or the broker does."""


def answer_note(attempt: Shape, shown: str | None) -> str:
    """Return what is to be said of an answer's body that is not shown, or not all of it; "" for nothing."""
    if shown:
        told = attempt.get("responseHeaders", {}).get("Content-Length", ["0"])[0]
        whole = int(told) if told.isascii() and told.isdigit() and len(told) < 15 else 0
        is_cut = whole > len(shown.encode()) + 4
        return f"Only the beginning is shown, {size(len(shown.encode()))} of {size(whole)}." if is_cut else ""
    if attempt["state"] == "LOST":
        return "Its outcome was never written down: the broker ended meanwhile, or the run had ended."
    if not attempt.get("responseStatus"):
        return "No answer came."
    return "No body, or none that is kept."


def curl(told: Shape) -> str | None:
    """Return the request of the last attempt as a curl command; None where its body is hidden, no text or very long.

    The signature and what is redacted are left out: an endpoint that does not check them takes it as a delivery.
    """
    body = _whole_text(told)
    if body is None or len(body) > _LONGEST_COMMAND or not told["attempts"]:
        return None
    lines = [f"curl -X {told['method']} {shlex.quote(told['url'])}"]
    lines += [f"  -H {shlex.quote(line)}" for line in _lines(told["attempts"][-1]["headers"])]
    if body:
        lines.append(f"  --data-raw {shlex.quote(body)}")
    return " \\\n".join(lines)


def builder_query(about: Shape, told: Shape) -> str | None:
    """Return the query that opens the request builder with this message in it; None where it does not fit into one."""
    body = _whole_text(told)
    if body is None or about["method"] not in METHODS:
        return None
    given: Mapping[str, Sequence[str]] = about.get("header") or {}
    lines = [line for line in _lines(given) if not line.lower().startswith(_OWN)]
    fields = {
        "kind": "enqueue" if about.get("queueName") else "publish",
        "destination": about.get("topicName") or about["url"],
        "method": about["method"],
        "queue": about.get("queueName", ""),
        "content_type": given.get("Content-Type", ("",))[0],
        "headers": "\n".join(lines),
        "body": body,
        "retries": str(about["maxRetries"]),
        "callback": about.get("callback", ""),
        "failure_callback": about.get("failureCallback", ""),
        "label": ",".join(about.get("labels", ())),
    }
    query = urlencode({name: value for name, value in fields.items() if value})
    return query if len(query) < _LONGEST_ADDRESS else None


def _lines(headers: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{name}: {value}" for name, values in headers.items() for value in values if not value.startswith("REDACTED")
    ]


def _whole_text(told: Shape) -> str | None:
    """Return the body that was sent; None for one that is hidden, not text, or not all here."""
    body = body_of(told, "body") or ""
    is_whole = len(body.encode()) == told.get("bodyBytes", -1) and "bodyBase64" not in told
    return body if is_whole else None
