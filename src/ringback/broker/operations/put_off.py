"""Putting off a message that nothing can be done about now through a fault of our own: it is tried again after a while."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.cancel import end_canceled
from ringback.broker.operations.lanes import line_of, release
from ringback.broker.records import Delivery, Event, Lane, Message
from ringback.broker.rules import lanes
from ringback.broker.rules.facets import facets_of
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction

PUT_OFF_MS = 60_000
"""After how long what could not be done is tried again."""
_LONGEST_MS = 3_600_000


def put_off_attempted(tx: Transaction, message: Message, lease: int, retried: int, error: str, moment: Moment) -> None:
    """Give back the lease of a message whose outcome cannot be written down; one that was to be canceled is.

    The endpoint is called again under the same number: after as long as the message is old, at least a minute and at most an
    hour, so that it is called less and less often as long as the fault is there.

    Args:
        tx: the transaction.
        message: the message that was attempted.
        lease: the node that attempted it.
        retried: which attempt it was.
        error: what its history says.
        moment: the time and ids.
    """
    delivery = tx.get(Delivery, message.seq)
    if delivery is None or delivery.lease != lease or delivery.retried != retried:
        return
    if delivery.cancel_requested:
        end_canceled(tx, message, delivery, moment)
        return
    at = moment.now + min(max(PUT_OFF_MS, moment.now - message.not_before), _LONGEST_MS)
    told = Event(
        moment.new_id(),
        message.tenant,
        message.seq,
        "ERROR",
        moment.now,
        next_at=at,
        error=error,
        facets=facets_of(message),
    )
    tx.apply(Changes(put=[told, replace(delivery, lease=None, due_at=at, wake_at=at)]))
    release(tx, message, delivery, moment, ended=False)


def put_off_first(tx: Transaction, lane: Lane, moment: Moment) -> bool:
    """Take the first message out of a lane's line, so that those behind it go on; False if nobody is in line."""
    waiting = tx.claim(Delivery, line_of(lane, 1), wait=True)
    if not waiting:
        return False
    at = moment.now + PUT_OFF_MS
    shorter = lanes.alarmed(lanes.left(lane), moment.now)
    tx.apply(Changes(put=[replace(waiting[0], lane=None, due_at=at, wake_at=at), shorter]))
    return True
