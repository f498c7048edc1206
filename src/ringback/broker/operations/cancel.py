"""Canceling messages: those that wait go at once, one in flight is not tried again (protocol 2.5)."""

from collections.abc import Sequence

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.lanes import leave, release
from ringback.broker.operations.runs.end import end_run
from ringback.broker.operations.runs.settle import give_up_function
from ringback.broker.operations.settle import settle_needs
from ringback.broker.records import Delivery, Event, Message, Run
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Transaction


def prepare(tx: Transaction, seqs: Sequence[int]) -> None:
    """Get ready what canceling messages looks at: lanes before deliveries, as everywhere."""
    tx.load((Message, (seq,)) for seq in seqs)
    messages = [message for seq in seqs if (message := tx.get(Message, seq))]
    tx.load(need for message in messages for need in settle_needs(message))


def cancel_messages(tx: Transaction, tenant: str, seqs: Sequence[int], limits: Limits, moment: Moment) -> int:
    """Cancel messages that somebody names; return how many were pending and not canceled before.

    One that a run goes on with is canceled with its run, which would wait for it for ever.
    """
    prepare(tx, seqs)
    return sum(
        _cancel_run_of(tx, tenant, seq, limits, moment) or cancel_message(tx, tenant, seq, moment) for seq in seqs
    )


def _cancel_run_of(tx: Transaction, tenant: str, seq: int, limits: Limits, moment: Moment) -> bool:
    """Cancel the active run that goes on when a pending message is delivered; False if it is none of those."""
    delivery, message = tx.get(Delivery, seq), tx.get(Message, seq)
    if delivery is None or delivery.tenant != tenant or message is None or message.run is None:
        return False
    run = tx.get(Run, message.run.run)
    if run is None or run.state != "RUN_STARTED" or message.kind == "failure":
        return False
    end_run(tx, run, "RUN_CANCELED", limits, moment)
    return True


def cancel_message(tx: Transaction, tenant: str, seq: int, moment: Moment) -> bool:
    """Cancel one message, which `prepare` has got ready; False if it is not pending, or canceled already."""
    delivery = tx.get(Delivery, seq)
    if delivery is None or delivery.tenant != tenant or delivery.cancel_requested:
        return False
    message = tx.get(Message, seq)
    facets = 0
    if message is not None:
        facets = facets_of(message)
        tx.apply(Changes(put=described(message, moment.now)))
    requested = Event(moment.new_id(), tenant, seq, "CANCEL_REQUESTED", moment.now, facets=facets)
    if delivery.lease is not None:
        tx.apply(Changes(put=[requested, replace(delivery, cancel_requested=True)]))
        return True
    tx.apply(Changes(put=[requested]))
    end_canceled(tx, message, delivery, moment)
    return True


def end_canceled(tx: Transaction, message: Message | None, delivery: Delivery, moment: Moment) -> None:
    """End a message that nobody attempts any more as canceled, and give back what it held."""
    facets = 0 if message is None else facets_of(message)
    canceled = Event(moment.new_id(), delivery.tenant, delivery.seq, "CANCELED", moment.now, facets=facets)
    tx.apply(Changes(put=[canceled], drop=[delivery]))
    leave(tx, delivery, moment)
    if message is not None:
        release(tx, message, delivery, moment, ended=True)
        if message.kind == "failure":
            give_up_function(tx, message)
