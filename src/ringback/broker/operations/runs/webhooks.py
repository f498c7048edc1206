"""The addresses that a run has made for third parties: whoever calls one shows no token, so that nothing else may be reached."""

import msgspec
from msgspec import Struct

from ringback.broker.changes import Changes
from ringback.broker.records import Run, SavedEvent, Waiter
from ringback.broker.rules import runs
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.unreadable import UNREADABLE

_MADE, _WAITS = "CreateWebhook", "WaitForWebhook"
_ADDRESS = "\x1f"
"""Before an event's id it stands for the address of that event: so the address goes when its run ends, as saved events do."""

_MOST_WAITERS = 1000


class _Webhook(Struct):
    event_id: str = msgspec.field(name="eventId")


def note_webhook(tx: Transaction, run: Run, result: bytes, moment: Moment) -> None:
    """Remember the address that the result of a step tells of, if it makes one (workflow protocol 2.8)."""
    step = runs.read_step(result) if _MADE.encode() in result else None
    if step is None or step.type != _MADE or not isinstance(step.out, str):
        return
    try:
        event_id = msgspec.json.decode(step.out, type=_Webhook).event_id
    except UNREADABLE:
        return
    tx.apply(Changes(put=[SavedEvent(moment.new_id(), run.tenant, run.seq, f"{_ADDRESS}{event_id}", b"")]))


def has_webhook(tx: Transaction, run: Run, event_id: str) -> bool:
    """Return whether a run has made an address for an event, or a step of it waits for one to be called."""
    if tx.count(SavedEvent, Where("run", "=", run.seq), Where("event_id", "=", f"{_ADDRESS}{event_id}")):
        return True
    where = (Where("tenant", "=", run.tenant), Where("event_id", "=", event_id), Where("run", "=", run.seq))
    waiters = tx.find(Waiter, Query(where, order=("seq",), limit=_MOST_WAITERS))
    steps = [runs.read_step(waiter.step) for waiter in waiters]
    return any(step is not None and step.type == _WAITS for step in steps)
