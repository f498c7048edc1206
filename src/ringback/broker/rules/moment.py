"""What every rule is told: the time, fresh ids, and whether this node may start an attempt."""

from msgspec import Struct

from ringback.broker.ids import NewId
from ringback.clock import Instant


class Moment(Struct, frozen=True):
    """The circumstances of one decision.

    Attributes:
        now: the time.
        new_id: makes a fresh number.
        lease: the node that may start attempts at once, None while it has no room for more.
    """

    now: Instant
    new_id: NewId
    lease: int | None
