"""The messages a workflow's parts send each other through the broker, as values (protocol workflow 1.3, 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.client.options import Headers, RunOptions, each, retry_headers, start_headers

FEATURES = "LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig"
PROTOCOL_VERSION = "1"

_POST = {"Upstash-Method": "POST"}


@dataclass(frozen=True, slots=True)
class Item:
    """One message of `POST /v2/batch`.

    Attributes:
        destination: absolute URL.
        headers: options and bookkeeping, as header lines.
        body: text, or None for no body.
    """

    destination: str
    headers: Headers
    body: str | None = None

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the item."""
        value: dict[str, Any] = {"destination": self.destination, "headers": self.headers}
        return value if self.body is None else value | {"body": self.body}


@dataclass(frozen=True, slots=True)
class RunRef:
    """The run a message belongs to.

    Attributes:
        id: `wfr_...`
        url: the workflow's URL, where the run's deliveries go.
        invoke_count: how many invocations deep the run is.
    """

    id: str
    url: str
    invoke_count: int = 0


def run_headers(run: RunRef, *, init: bool = False) -> Headers:
    """Return the bookkeeping headers that every message of a run carries (protocol workflow 2)."""
    headers = {
        "Content-Type": "application/json",
        "Upstash-Workflow-Init": "true" if init else "false",
        "Upstash-Workflow-RunId": run.id,
        "Upstash-Workflow-Url": run.url,
        "Upstash-Workflow-Sdk-Version": PROTOCOL_VERSION,
        "Upstash-Feature-Set": FEATURES,
        "Upstash-Forward-Upstash-Workflow-Sdk-Version": PROTOCOL_VERSION,
        "Upstash-Telemetry-Sdk": "ringback",
    }
    if run.invoke_count:
        headers["Upstash-Forward-Upstash-Workflow-Invoke-Count"] = str(run.invoke_count)
    return headers


def start(run: RunRef, body: str | None, options: RunOptions) -> Item:
    """Return the message that creates a run.

    Raises:
        ValueError: an option cannot be said on the wire.
    """
    headers = _POST | run_headers(run, init=True) | start_headers(options) | _failure_headers(run, options)
    given = {name.lower(): value for name, value in (options.headers or {}).items()}
    headers["Content-Type"] = given.get("content-type", "application/json")
    return Item(run.url, headers, body)


def result(run: RunRef, body: str, *, delay: str | None = None, not_before: int | None = None) -> Item:
    """Return the message that carries a step (or the plan of one) back to the run.

    Args:
        run: the run.
        body: the step's JSON.
        delay: for a sleep: how long, such as "10s".
        not_before: for a sleep: until when, in seconds since the epoch.
    """
    headers = _POST | run_headers(run)
    if delay is not None:
        headers["Upstash-Delay"] = delay
    if not_before is not None:
        headers["Upstash-Not-Before"] = str(not_before)
    return Item(run.url, headers, body)


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """An HTTP request the broker makes for a run.

    Attributes:
        url, method, headers, body: the request.
        timeout: such as "30s", or None for the broker's own limit.
        options: its retries, retry delay and flow control.
    """

    url: str
    method: str
    headers: Mapping[str, str]
    body: str | None
    timeout: str | None
    options: RunOptions


def call(run: RunRef, request: ThirdParty, *, step_id: int, step_name: str, concurrent: int) -> Item:
    """Return the message that has the broker make a request and report its answer (protocol workflow 2.5)."""
    given = {name.lower(): value for name, value in request.headers.items()}
    content_type = given.pop("content-type", "application/json")
    headers = run_headers(run) | {
        "Upstash-Method": request.method,
        "Content-Type": content_type,
        "Upstash-Feature-Set": "WF_NoDelete,InitialBody",
        "Upstash-Workflow-CallType": "toCallback",
        "Upstash-Retries": str(request.options.retries or 0),
    }
    # The third party must not look like a workflow endpoint's own delivery
    del headers["Upstash-Forward-Upstash-Workflow-Sdk-Version"]
    headers |= {f"Upstash-Forward-{name}": value for name, value in given.items()}
    headers |= {name: text for name, text in retry_headers(request.options).items() if name != "Upstash-Retries"}
    if request.timeout is not None:
        headers["Upstash-Timeout"] = request.timeout
    return Item(request.url, headers | _callback(run, step_id, step_name, concurrent, content_type), request.body)


def _callback(run: RunRef, step_id: int, step_name: str, concurrent: int, content_type: str) -> Headers:
    headers = {
        "Upstash-Callback": run.url,
        "Upstash-Callback-Feature-Set": FEATURES,
        "Upstash-Callback-Workflow-RunId": run.id,
        "Upstash-Callback-Workflow-CallType": "fromCallback",
        "Upstash-Callback-Workflow-Init": "false",
        "Upstash-Callback-Workflow-Url": run.url,
    }
    forwarded = {
        "Callback": "true",
        "StepId": str(step_id),
        "StepName": step_name,
        "StepType": "Call",
        "Concurrent": str(concurrent),
        "ContentType": content_type,
    }
    if run.invoke_count:
        forwarded["Invoke-Count"] = str(run.invoke_count)
    prefix = "Upstash-Callback-Forward-Upstash-Workflow-"
    return headers | {prefix + name: value for name, value in forwarded.items()}


def wait_body(run: RunRef, step: Mapping[str, Any], timeout: str) -> dict[str, Any]:
    """Return the body of `POST /v2/wait/{eventId}` (protocol workflow 2.6)."""
    headers = run_headers(run) | {"Upstash-Workflow-CallType": "step"}
    return {
        "url": run.url,
        "timeout": timeout,
        "timeoutUrl": run.url,
        "timeoutHeaders": {name: [value] for name, value in headers.items()},
        "step": step,
    }


def invocation(parent: RunRef, created_at: int, step: Mapping[str, Any], child: Item) -> dict[str, Any]:
    """Return the envelope that starts a child run and says whom to tell of its end (protocol workflow 2.9)."""
    envelope: dict[str, Any] = {} if child.body is None else {"body": child.body}
    return envelope | {
        "headers": {name: [value] for name, value in run_headers(parent).items()},
        "workflowRunId": parent.id,
        "workflowRunCreatedAt": created_at,
        "workflowUrl": parent.url,
        "step": step,
    }


def _failure_headers(run: RunRef, options: RunOptions) -> Headers:
    prefix = "Upstash-Failure-Callback"
    headers = {
        prefix: options.failure_url or run.url,
        f"{prefix}-Feature-Set": FEATURES,
        f"{prefix}-Forward-Upstash-Workflow-Is-Failure": "true",
        f"{prefix}-Forward-Upstash-Workflow-Failure-Callback": "true",
        f"{prefix}-Workflow-Runid": run.id,
        f"{prefix}-Workflow-Init": "false",
        f"{prefix}-Workflow-Url": run.url,
        f"{prefix}-Workflow-Calltype": "failureCall",
    }
    if run.invoke_count:
        headers[f"{prefix}-Forward-Upstash-Workflow-Invoke-Count"] = str(run.invoke_count)
    headers |= {f"{prefix}-Forward-{name}": value for name, value in (options.headers or {}).items()}
    if options.labels:
        headers[f"{prefix}-Forward-Upstash-Label"] = ",".join(each(options.labels))
    return headers | retry_headers(options, f"{prefix}-")
