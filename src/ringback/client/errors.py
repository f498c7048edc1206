"""What can go wrong between a client and the broker, beside a refusal (`ringback.errors.Refused`)."""

from ringback.errors import RingbackError


class BrokerUnreachable(RingbackError):
    """The broker gave no answer: wrong address, not running, or too slow."""


class BrokerMisunderstood(RingbackError):
    """The broker's answer was not what the protocol says."""
