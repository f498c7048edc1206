"""A delivery that is only played through: the code is followed to the one thing the delivery is for, which is not done."""

from contextvars import ContextVar
from dataclasses import dataclass

from ringback.client.transport import AsyncTransport
from ringback.workflow.following import Purpose


@dataclass(slots=True)
class Rehearsal:
    """What came of playing a delivery through.

    Attributes:
        transport: the way to the broker that the workflow's code is given; it should need none.
        purpose: what the delivery would have been for.
        error: why it would have failed.
    """

    transport: AsyncTransport
    purpose: Purpose | None = None
    error: BaseException | None = None


rehearsal: ContextVar[Rehearsal | None] = ContextVar("rehearsal", default=None)
"""Set by who calls an endpoint of this process to play a delivery through; signatures are not asked for then."""
