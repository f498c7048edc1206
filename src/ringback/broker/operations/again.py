"""A message published once more, as a new one."""

from msgspec.structs import replace

from ringback.broker.ids import message_id
from ringback.broker.operations.accept import accept
from ringback.broker.records import Message
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused


def again(tx: Transaction, tenant: str, seq: int, moment: Moment) -> int:
    """Publish what a message was once more, due now; return the new message's number.

    Raises:
        Refused: 404 if it is not known any more, 409 for a delivery of a workflow run.
    """
    old = tx.get(Message, seq)
    if old is None or old.tenant != tenant:
        raise Refused(404, f"message {message_id(seq)} not found")
    if old.kind != "plain":
        raise Refused(409, f"message {message_id(seq)} belongs to a workflow run: resume or restart the run")
    new = replace(old, seq=moment.new_id(), created_at=moment.now, not_before=moment.now, holds=None, fixed=False)
    accept(tx, new, moment)
    return new.seq
