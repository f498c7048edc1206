"""Messages: lists of what happened, and the life of one message as a timeline of its attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.console.views.words import body_of

Shape = dict[str, Any]

FILTERS = (
    ("messageId", "Message id"),
    ("url", "URL"),
    ("host", "Host"),
    ("path", "Path"),
    ("queueName", "Queue"),
    ("topicName", "URL group"),
    ("label", "Label"),
    ("flowControlKey", "Flow-control key"),
    ("scheduleId", "Schedule id"),
    ("callerIp", "Caller IP"),
)
"""What events are filtered by, beside state and time: parameter, and its name."""
STATES = ("CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED")


def api_filter(given: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the filters of the API among what was given; dates come from fields of local time, as milliseconds."""
    found = {name: [one.strip() for one in given[name] if one.strip()] for name in names if name in given}
    return {name: values for name, values in found.items() if values}


def newest_of_each(events: Sequence[Shape]) -> list[Shape]:
    """Return the newest event of each message, the list newest first as it came."""
    seen: set[str] = set()
    found = []
    for event in events:
        if event["messageId"] not in seen:
            seen.add(event["messageId"])
            found.append(event)
    return found


@dataclass(slots=True)
class Attempt:
    """One attempt to deliver.

    Attributes:
        number: from 1.
        began: when, None when only its outcome is known.
        ended: when, None while it is in flight.
        state: ACTIVE, ERROR or DELIVERED.
        next_at: when the next one is due.
    """

    number: int
    began: int | None
    ended: int | None = None
    state: str = "ACTIVE"
    status: int | None = None
    error: str | None = None
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    body: str | None = None
    next_at: int | None = None

    @property
    def took(self) -> int | None:
        """How long it took, in milliseconds."""
        return None if self.began is None or self.ended is None else self.ended - self.began


@dataclass(frozen=True, slots=True)
class Life:
    """A message and what became of it.

    Attributes:
        about: the fields that all its events share.
        state: where it stands.
        created, ended: when; `ended` None while it is pending.
        attempts: in order.
        events: its history, oldest first.
        more: there is more history than is shown.
    """

    about: Shape
    state: str
    created: int
    ended: int | None
    attempts: list[Attempt]
    events: list[Shape]
    more: bool

    @property
    def pending(self) -> bool:
        """Whether it can still be canceled."""
        return self.ended is None


_ENDS = frozenset({"DELIVERED", "FAILED", "CANCELED"})


def life(events: Sequence[Shape], *, more: bool) -> Life | None:
    """Return the life of the message that these events are about, oldest first; None for no events."""
    if not events:
        return None
    last = events[-1]
    end = next((one["time"] for one in events if one["state"] in _ENDS), None)
    return Life(events[-1], last["state"], events[0]["time"], end, attempts(events), list(events), more)


def attempts(events: Sequence[Shape]) -> list[Attempt]:
    """Return the attempts that events tell of: each begins with ACTIVE and ends with ERROR or DELIVERED."""
    found: list[Attempt] = []
    for event in sorted(events, key=lambda one: int(one["time"])):
        state = event["state"]
        if state == "ACTIVE":
            found.append(Attempt(len(found) + 1, event["time"]))
        elif state in ("ERROR", "DELIVERED"):
            if not found or found[-1].ended is not None:
                found.append(Attempt(len(found) + 1, None))
            _settle(found[-1], event)
        elif state == "RETRY" and found:
            found[-1].next_at = event.get("nextDeliveryTime")
    return found


def _settle(attempt: Attempt, event: Shape) -> None:
    attempt.ended = event["time"]
    attempt.state = event["state"]
    attempt.status = event.get("responseStatus") or None
    attempt.error = event.get("error")
    attempt.headers = event.get("responseHeaders") or {}
    attempt.body = body_of(event, "responseBody", encoded=True)
