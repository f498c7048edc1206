"""Writing down how an attempt ended, with everything that follows from it, in one transaction."""

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.lanes import lane_keys, release
from ringback.broker.operations.runs.settle import settle_run
from ringback.broker.records import Delivery, Entry, Message, Run
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.settle import settle as decide
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Need, Transaction
from ringback.wire.http import Outcome


def settle_needs(message: Message) -> list[Need]:
    """Return what settling an attempt of a message is going to ask for."""
    needs: list[Need] = [(Delivery, (message.seq,))]
    if message.flow or message.queue or message.holds:
        needs += lane_keys(message)
    if message.run is not None:
        needs += [(Run, (message.run.run,)), (Entry, (message.run.run, message.run.entry))]
    return needs


def settle(
    tx: Transaction, message: Message, lease: int, retried: int, outcome: Outcome, limits: Limits, moment: Moment
) -> bool:
    """Settle one attempt; False if it was no longer ours to settle.

    Args:
        tx: the transaction.
        message: the message that was attempted.
        lease: the node that attempted it.
        retried: which attempt it was.
        outcome: what came back.
        limits: quotas for what follows from it.
        moment: time, ids and room.
    """
    delivery = tx.get(Delivery, message.seq)
    if delivery is None or delivery.lease != lease or delivery.retried != retried:
        return False
    if message.run is not None:
        settle_run(tx, message, delivery, outcome, limits, moment)
        return True
    settled = decide(message, delivery, outcome, moment, answer_bytes=limits.answer_bytes)
    tx.apply(settled.changes)
    if settled.letter is not None:
        tx.apply(Changes(put=[settled.letter]))
    for follow in settled.follow:
        holder = follow if delivery.queued or not follow.holds else replace(follow, holds=None)  # its queue is gone
        accept(tx, holder, moment, delivery.queue_made_at)
    if message.flow or message.queue or message.holds:
        release(tx, message, delivery, moment, ended=settled.ended)
    return True
