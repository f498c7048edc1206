"""Events: waking the runs that wait for one, and asking which do (protocol workflow 2.7, 3.3)."""

from typing import Any

from ringback.client.bodies import text_of
from ringback.client.calls import Call, array, segments


def notify(event_id: str, data: object = None, workflow_run_id: str | None = None) -> Call[list[dict[str, Any]]]:
    """Wake the runs that wait for an event; one record per run that was woken.

    Args:
        event_id: the event.
        data: what they get: text as it is, anything else as JSON.
        workflow_run_id: only this run; if it does not wait yet, the event is kept for it.
    """
    body = text_of(data, "the data of the event") or ""
    event = segments(event_id)
    path = event if workflow_run_id is None else f"{segments(workflow_run_id)}/{event}"
    headers = {"Content-Type": "application/json"}
    return Call("POST", f"/v2/notify/{path}", array, headers=headers, body=body.encode(), repeatable=False)


def waiters(event_id: str) -> Call[list[dict[str, Any]]]:
    """List who waits for an event: `url` and `deadline` (seconds since the epoch) each."""
    return Call("GET", f"/v2/waiters/{segments(event_id)}", array)
