"""Messages: lists of what happened, and the life of one message as a timeline of its attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Life:
    """A message and what became of it.

    Attributes:
        about: the fields that all its events share.
        state: where it stands.
        created, ended: when; `ended` None while it is pending.
        attempts: as the API tells them, in order.
        more: there is more history than is shown.
    """

    about: Shape
    state: str
    created: int
    ended: int | None
    attempts: Sequence[Shape]
    more: bool

    @property
    def pending(self) -> bool:
        """Whether it can still be canceled."""
        return self.ended is None


_ENDS = frozenset({"DELIVERED", "FAILED", "CANCELED"})


def life(events: Sequence[Shape], attempts: Sequence[Shape], *, more: bool) -> Life | None:
    """Return the life of the message that these events and attempts are about, oldest first; None for no events."""
    if not events:
        return None
    last = events[-1]
    end = next((one["time"] for one in events if one["state"] in _ENDS), None)
    return Life(last, last["state"], events[0]["time"], end, attempts, more)
