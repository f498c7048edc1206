"""Playing a run in flight through the endpoint of new code, whatever framework serves it; no step is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.client import AsyncTransport
from ringback.testing.apps import Deliver
from ringback.wire.http import Outbound
from ringback.wire.steps import Entry, dump, entry_json
from ringback.workflow.checking import Checked, against_waiting, broken, going_on
from ringback.workflow.rehearsal import Rehearsal, rehearsal

_NEVER_SENT = frozenset({"content-length", "content-type", "host", "upstash-workflow-sdk-version"})


@dataclass(frozen=True, slots=True)
class InFlight:
    """A run that has not ended.

    Attributes:
        log: the run as the broker's log shows it.
        history: its entries.
    """

    log: Mapping[str, Any]
    history: list[Entry]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.log["workflowRunId"])

    @property
    def url(self) -> str:
        """Where it is delivered."""
        return str(self.log["workflowUrl"])


async def play_through(run: InFlight, deliver: Deliver, transport: AsyncTransport) -> Checked:
    """Return what new code makes of a run.

    Args:
        run: the run.
        deliver: brings a request to the new code.
        transport: what the workflow's code is given as the way to the broker.
    """
    played = Rehearsal(transport)
    token = rehearsal.set(played)
    try:
        outcome = await deliver(_delivery(run))
    finally:
        rehearsal.reset(token)
    if played.error is not None:
        return broken(run.id, played.error)
    if played.purpose is not None:
        return against_waiting(going_on(run.id, played.purpose), dict(run.log))
    said = outcome.body.decode(errors="replace").strip().splitlines()
    last = f": {said[-1][:200]}" if said else ""
    if outcome.status in (404, 405):
        return Checked(
            run.id, f"no workflow is served at {run.url} any more (status {outcome.status})", None, "NoRoute"
        )
    return Checked(
        run.id, f"the application answers {outcome.status} before the workflow is reached{last}", None, "NoRoute"
    )


def _delivery(run: InFlight) -> Outbound:
    headers = [
        ("Content-Type", "application/json"),
        ("Upstash-Workflow-Sdk-Version", "1"),
        ("Upstash-Workflow-RunId", run.id),
        ("Upstash-Workflow-CreatedAt", str(run.log["workflowRunCreatedAt"])),
        ("Upstash-Workflow-Url", run.url),
        ("Upstash-Message-Id", run.history[-1].message_id if run.history else ""),
        ("Upstash-Retried", "0"),
        *_own_headers(run.log),
    ]
    if run.log.get("labels"):
        headers.append(("Upstash-Label", ",".join(run.log["labels"])))
    body = dump([entry_json(entry) for entry in run.history]).encode()
    return Outbound("POST", run.url, headers, body, 0)


def _own_headers(log: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the run was triggered with."""
    groups = log.get("steps") or [{}]
    first = (groups[0].get("steps") or [{}])[0]
    told: Mapping[str, list[str]] = first.get("headers") or {}
    return [(name, value) for name, values in told.items() if name.lower() not in _NEVER_SENT for value in values]
