"""Where a request goes: this file decides it from what the instances are doing."""

from collections.abc import Sequence, Sized
from typing import Protocol, TypeVar

from ringback.simulate.platforms import Platform


class Occupied(Protocol):
    """What the decision needs to know of an instance."""

    retired: bool

    @property
    def in_flight(self) -> Sized:
        """The requests it works on."""


One = TypeVar("One", bound=Occupied)


def place(instances: Sequence[One], platform: Platform) -> One | None:
    """Return the fullest instance with room, so that others may end; None when a new one is needed."""
    free = [one for one in instances if not one.retired and len(one.in_flight) < platform.concurrency]
    return max(free, key=lambda one: len(one.in_flight), default=None)
