"""Asking a broker why something is not further, and what makes no progress (extensions of ours)."""

from typing import Any

from ringback.client.calls import Call, array, record, segment
from ringback.wire.steps import dump

Shape = dict[str, Any]


def why(id_: str) -> Call[Shape]:
    """Ask why a message (`msg_...`) or a run (`wfr_...`) is not further, or a schedule makes no message.

    The answer has `causes`, each with `kind`, `text` and `since`.
    """
    return Call("GET", f"/v2/why/{segment(id_)}", record)


def preflight(url: str) -> Call[Shape]:
    """Ask what is known of the way to an endpoint: `ok`, and `findings`, each with `subject`, `state` and `text`."""
    return Call("GET", "/v2/preflight", record, (("url", url),))


def look(url: str, *, is_workflow: bool | None = None) -> Call[Shape]:
    """Have the broker ask an endpoint, without consequences there; answered like `preflight`.

    Args:
        url: the endpoint.
        is_workflow: whether a workflow is served there; None: whether a run was ever started there.
    """
    body = {"url": url} if is_workflow is None else {"url": url, "workflow": is_workflow}
    headers = {"Content-Type": "application/json"}
    return Call("POST", "/v2/preflight", record, headers=headers, body=dump(body).encode())


def stalled(longest: str = "10m") -> Call[list[Shape]]:
    """List what has made no progress for so long, such as "10m", and schedules that make no message, each with its causes."""
    return Call(
        "GET", "/v2/stalled", lambda body: array(dump(record(body).get("stalled", [])).encode()), (("for", longest),)
    )
