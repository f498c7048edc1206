"""What happens in a deployment, as it happens: this file has the values that views and logs are made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answered:
    """A caller has its answer.

    Attributes:
        request: method and path.
        status: what the caller got.
        seconds: how long it took.
        instance: which instance worked on it, empty if none did.
        cold: whether the instance was started for it.
        note: what the platform did, if it was not the application that answered.
    """

    request: str
    status: int
    seconds: float
    instance: str
    cold: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """An instance has started, was frozen, thawed or ended: `what` says it in words."""

    instance: str
    what: str


@dataclass(frozen=True, slots=True)
class Logged:
    """An instance has printed a line."""

    instance: str
    text: str


Happening = Answered | Changed | Logged
