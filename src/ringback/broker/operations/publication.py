"""What is asked of a publish, and what is answered."""

from msgspec import Struct

from ringback.wire.options import Options


class Publication(Struct, frozen=True):
    """One publish, as it was asked for.

    Attributes:
        tenant: who publishes.
        destination: URL, or name of a URL group.
        is_group: which of the two it is.
        options: what the headers ask for.
        body: the body.
        caller_ip: address of the publisher.
        queue: queue to put it on, if any.
        schedule: schedule that made it, if any.
    """

    tenant: str
    destination: str
    is_group: bool
    options: Options
    body: bytes
    caller_ip: str
    queue: str | None = None
    schedule: str | None = None


class Published(Struct, frozen=True):
    """One accepted message, or the one it is a duplicate of."""

    seq: int
    url: str
    deduplicated: bool = False
