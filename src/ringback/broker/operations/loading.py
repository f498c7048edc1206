"""Loading messages that are about to start, as many as fit into the room for their bodies."""

from collections.abc import Sequence

from ringback.broker.records import Delivery, Message
from ringback.broker.stores.contract import Transaction

_FIRST = 16
_GROWTH = 8
_LARGE = 10 * 1024 * 1024
"""Bytes that a body may well have."""


def load_fitting(tx: Transaction, deliveries: Sequence[Delivery], room: int) -> list[Message | None]:
    """Return the messages of the first deliveries, at least of one, until their bodies fill `room` bytes.

    How large a body is shows only when it is loaded. So few are loaded first, and then as many as should fit if they are like
    those: small ones nearly all in one go, large ones a few at a time. None stands for a message that is gone.
    """
    found: list[Message | None] = []
    step = max(1, min(_FIRST, room // _LARGE))
    while len(found) < len(deliveries) and (room > 0 or not found):
        part = deliveries[len(found) : len(found) + step]
        tx.load((Message, (delivery.seq,)) for delivery in part)
        messages = [tx.get(Message, delivery.seq) for delivery in part]
        found += messages
        size = size_of(messages)
        room -= size
        step = max(1, min(step * _GROWTH, room * len(part) // (size or 1)))
    return found


def size_of(messages: Sequence[Message | None]) -> int:
    """Return how many bytes the bodies of messages have."""
    return sum([len(message.body) for message in messages if message is not None])
