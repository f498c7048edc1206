"""An outcome that could not be written down through a fault of our own: another way is found, at worst the message is put off."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from ringback.broker.changes import Handed
from ringback.broker.operations.beginning import complete_beginning
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.put_off import put_off_attempted
from ringback.broker.operations.settle import settle, settle_needs
from ringback.broker.records import Event
from ringback.broker.rules.moment import Moment
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import StoreUnavailable, Transaction
from ringback.wire.http import Outcome

_log = logging.getLogger("ringback.dispatcher")

FAULT = "internal error of the broker"
_AGAIN = 60.0
"""Seconds after which it is tried once more to put a message off."""

_Job = Callable[[Transaction, Moment], None]


async def settle_anyhow(desk: Desk, handed: Handed, begun: Event, outcome: Outcome, limits: Limits) -> None:
    """Write down what came of an attempt, without letting in anybody else; returns when the message is not in flight any more.

    Args:
        desk: where it is written down.
        handed: what was attempted.
        begun: the event of its beginning.
        outcome: what came back; where that cannot be taken in, the attempt has failed; where that cannot either, it is put off.
        limits: quotas for what follows.
    """
    written = partial(is_written, desk, handed, begin=False)
    came, failed = (partial(take_in, handed, begun, limits, one) for one in (outcome, Outcome(0, error=FAULT)))
    if await written(came, "what came back cannot be taken in: it has failed"):
        return
    if await written(failed, "that it has failed cannot be taken in: it is put off"):
        return
    put_off = partial(_put_off, handed, begun)
    while not await written(put_off, "it cannot be put off: tried in a minute"):  # noqa: ASYNC110
        await asyncio.sleep(_AGAIN)  # what is wrong may pass, and nobody tells when


def take_in(handed: Handed, begun: Event, limits: Limits, outcome: Outcome, tx: Transaction, moment: Moment) -> None:
    """Take in what came of an attempt, with the event of its beginning."""
    lease, retried = handed.delivery.lease or 0, handed.delivery.retried
    complete_beginning(tx, begun, lease, retried, moment)
    settle(tx, handed.message, lease, retried, outcome, limits, moment)


def _put_off(handed: Handed, begun: Event, tx: Transaction, moment: Moment) -> None:
    lease, retried = handed.delivery.lease or 0, handed.delivery.retried
    complete_beginning(tx, begun, lease, retried, moment)
    put_off_attempted(tx, handed.message, lease, retried, FAULT, moment)


async def is_written(desk: Desk, handed: Handed, job: _Job, otherwise: str, *, begin: bool = True) -> bool:
    """Write something down about an attempt, however long the store is away.

    Args:
        desk: where it is written down.
        handed: what was attempted.
        job: what is written.
        otherwise: what the log says where that cannot be, through a fault of ours; then it is False.
        begin: whether it may let others in.
    """
    pause = 0.1
    while True:
        try:
            await desk.write(job, settle_needs(handed.message), begin=begin)
        except StoreUnavailable as error:
            _log.warning("an outcome waits to be written: %s", error)
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)
        except Exception:  # noqa: BLE001 - whatever it is, there is another way
            _log.exception("message %x: %s", handed.message.seq, otherwise)
            return False
        else:
            return True
