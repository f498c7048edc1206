"""What every rule is told: the time, fresh ids, and whether this node may start an attempt."""

from collections.abc import Callable

from msgspec import Struct

from ringback.broker.changes import RunList
from ringback.broker.ids import NewId
from ringback.clock import Instant

CLOCKS_DIFFER_MS = 60_000
"""Milliseconds that the clocks of nodes may differ without anything being taken for wrong, or found late."""


class Moment(Struct, frozen=True):
    """The circumstances of one decision.

    Attributes:
        now: the time.
        new_id: makes a fresh number.
        lease: the node that may start attempts at once, None while it has no room for more.
        list_of: what this node still knows of the list of a run.
        room: how many bytes of bodies this node may still take into flight.
    """

    now: Instant
    new_id: NewId
    lease: int | None
    list_of: Callable[[int], RunList | None] = lambda _: None
    room: int = 1 << 62
