"""Writing down that an attempt has begun: fast ones with their outcome, slow ones while they are in flight."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import Delivery, Event
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS, Moment
from ringback.broker.stores.contract import Transaction

_LATE_MS = CLOCKS_DIFFER_MS // 2
"""After how long its place in history may have been noted soon as one where nothing is written any more."""


def note_beginning(tx: Transaction, begun: Event, moment: Moment) -> None:
    """Write down an attempt that is in flight; where it is late for that, it comes with the outcome."""
    if not _is_late(begun, moment):
        tx.apply(Changes(put=[begun]))


def complete_beginning(tx: Transaction, begun: Event, lease: int, retried: int, moment: Moment) -> None:
    """Write down the beginning of an attempt whose outcome is about to be; in a new place, if it is late for its own.

    It is written again where it has been before: who looks through what is written tells by it how long the attempt took.

    Args:
        tx: the transaction.
        begun: the event.
        lease: the node that attempted it.
        retried: which attempt it was.
        moment: time and ids.
    """
    if _is_late(begun, moment) and tx.look(Event, begun.pos) is None:
        delivery = tx.get(Delivery, begun.message)
        if delivery is None or delivery.lease != lease or delivery.retried != retried:
            return  # its outcome was written down, and this with it
        begun = replace(begun, pos=moment.new_id())
    tx.apply(Changes(put=[begun]))


def _is_late(begun: Event, moment: Moment) -> bool:
    return moment.now - begun.at > _LATE_MS
