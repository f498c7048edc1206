"""The end of a run that failed for good, as its failure function sees it (protocol workflow 4.2, 4.3)."""

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from ringback.workflow.delivery import grouped_headers
from ringback.workflow.facts import Facts

PayloadT = TypeVar("PayloadT")


@dataclass(frozen=True, slots=True)
class Failure(Generic[PayloadT]):
    """Why a run failed.

    Attributes:
        request_payload: what the run was started with; None when it cannot be read.
        status: HTTP status of the last answer: 489 for an error that forbids further tries, 500 for others.
        error: class name of the error, such as "NonRetryableError"; empty when the endpoint did not answer itself.
        message: the error's text, or the whole answer when it was none of ours.
        stack: where it was raised.
        headers: headers of the last answer.
        dlq_id: the dead letter from which the run can be resumed.
        facts: the run: `facts.run.id`, `facts.headers`, `facts.labels`.
    """

    request_payload: PayloadT | None
    status: int
    error: str
    message: str
    stack: str
    headers: httpx.Headers
    dlq_id: str
    facts: Facts

    @property
    def workflow_run_id(self) -> str:
        """The run's id."""
        return self.facts.run.id


def read_failure(body: bytes) -> dict[str, Any]:
    """Return the fields of a failure delivery, with `payload` as bytes and the answer's own error taken apart.

    Raises:
        ValueError: the body is not what the protocol says.
    """
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("a failure must be a JSON object")  # noqa: TRY004 - one kind of error for all bad input
    text = b64decode(value.get("body") or "").decode(errors="replace")
    said = _object(text)
    headers = value.get("header") or {}
    return {
        "payload": b64decode(value.get("sourceBody") or ""),
        "status": int(value.get("status") or 0),
        "error": str(said.get("error", "")),
        "message": str(said["message"]) if "message" in said else text,
        "stack": str(said.get("stack", "")),
        "headers": grouped_headers(headers),
        "dlq_id": str(value.get("dlqId", "")),
    }


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
