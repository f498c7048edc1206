"""What one attempt's outcome means: delivered, tried again, given up, or canceled (protocol 4.2, 4.3, 7.1)."""

from dataclasses import replace as replace_outcome
from math import exp

from msgspec import Struct
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.records import DeadLetter, Delivery, Event, Message, State
from ringback.broker.rules.callbacks import callback_message
from ringback.broker.rules.facets import facets_of
from ringback.broker.rules.moment import Moment
from ringback.clock import Instant
from ringback.wire import retry_after, retry_delay
from ringback.wire.http import Outcome

_LONGEST_WAIT = 86_400_000


class Settled(Struct):
    """What follows from one attempt.

    Attributes:
        changes: what to write, the dead letter and the callbacks not among it.
        ended: the message is no longer pending.
        letter: its dead letter, if it was given up.
        follow: callback messages to be accepted in the same transaction.
    """

    changes: Changes
    ended: bool = True
    letter: DeadLetter | None = None
    follow: list[Message] = []


def settle(
    message: Message,
    delivery: Delivery,
    outcome: Outcome,
    moment: Moment,
    *,
    refused: str | None = None,
    answer_bytes: int = 0,
) -> Settled:
    """Return what follows from the outcome of one attempt.

    Args:
        message: what was attempted.
        delivery: which attempt it was.
        outcome: what came back.
        moment: time and ids.
        refused: why the message is given up although the endpoint answered 2xx.
        answer_bytes: how much of a 2xx answer's body the history keeps.
    """
    settled = Settled(Changes())
    if refused is not None:
        outcome = replace_outcome(outcome, error=refused)
        _log(settled, message, "ERROR", moment, outcome)
        _give_up(settled, message, delivery, outcome, moment)
        return settled
    if 200 <= outcome.status < 300:
        settled.changes.drop.append(delivery)
        settled.changes.put.append(_delivered(message, outcome, moment, answer_bytes))
    else:
        _log(settled, message, "ERROR", moment, outcome)
        if delivery.cancel_requested:
            _end(settled, message, delivery, "CANCELED", moment)
            return settled
        if delivery.retried < message.retries and not is_final(outcome):
            _retry(settled, message, delivery, outcome, moment)
        else:
            _give_up(settled, message, delivery, outcome, moment)
            return settled
    if message.callback:
        settled.follow.append(callback_message(message.callback, message, outcome, delivery.retried, moment))
    return settled


def is_final(outcome: Outcome) -> bool:
    """True when the endpoint said that trying again is useless: 489 with its header (protocol 4.2)."""
    return outcome.status == 489 and (outcome.header("Upstash-NonRetryable-Error") or "").lower() == "true"


def retry_wait(message: Message, retried: int, outcome: Outcome, now: Instant) -> int:
    """Return how long to wait before the next retry, in milliseconds (protocol 4.3).

    Args:
        message: the message.
        retried: retries made so far.
        outcome: the failed attempt; its headers win over the message's expression, that over the default backoff.
        now: the time.
    """
    asked = retry_after.delay_ms(outcome.headers, now)
    if asked is not None:
        return asked
    if message.retry_delay is not None:
        wait = retry_delay.compile_expression(message.retry_delay).delay_ms(retried)
        if wait is not None:
            return wait
    return min(_LONGEST_WAIT, int(exp(min(2.5 * (retried + 1), 20))) * 1000)


def _retry(settled: Settled, message: Message, delivery: Delivery, outcome: Outcome, moment: Moment) -> None:
    at = moment.now + retry_wait(message, delivery.retried, outcome, moment.now)
    settled.ended = False
    settled.changes.put.append(replace(delivery, due_at=at, wake_at=at, lease=None, retried=delivery.retried + 1))
    _log(settled, message, "RETRY", moment, next_at=at)


def _give_up(settled: Settled, message: Message, delivery: Delivery, outcome: Outcome, moment: Moment) -> None:
    _end(settled, message, delivery, "FAILED", moment, outcome)
    settled.letter = DeadLetter(
        pos=moment.new_id(),
        tenant=message.tenant,
        message=message.seq,
        status=outcome.status,
        headers=tuple(outcome.headers),
        body=outcome.body,
        error=outcome.error,
        retried=delivery.retried,
        run=message.run.run if message.run else 0,
        facets=facets_of(message),
    )
    if message.callback:
        settled.follow.append(callback_message(message.callback, message, outcome, delivery.retried, moment))
    if message.failure_callback:
        settled.follow.append(
            callback_message(message.failure_callback, message, outcome, delivery.retried, moment, settled.letter.pos)
        )


def _delivered(message: Message, outcome: Outcome, moment: Moment, answer_bytes: int) -> Event:
    """Return the event of a success, with the beginning of its answer.

    A body is left out that was asked not to be shown, and one that stands in the list of its run anyway.
    """
    is_hidden = message.redact is not None and message.redact.body
    is_elsewhere = message.run is not None and (message.kind == "call" or outcome.header("Ringback-Result") is not None)
    return Event(
        moment.new_id(),
        message.tenant,
        message.seq,
        "DELIVERED",
        moment.now,
        status=outcome.status,
        headers=tuple(outcome.headers) if answer_bytes else (),
        body=b"" if is_hidden or is_elsewhere else outcome.body[:answer_bytes],
        facets=facets_of(message),
    )


def _end(
    settled: Settled,
    message: Message,
    delivery: Delivery,
    state: State,
    moment: Moment,
    outcome: Outcome | None = None,
) -> None:
    settled.changes.drop.append(delivery)
    event = Event(moment.new_id(), message.tenant, message.seq, state, moment.now, facets=facets_of(message))
    if outcome is not None:
        event = replace(event, status=outcome.status, error=_error(outcome))
    settled.changes.put.append(event)


def _log(
    settled: Settled,
    message: Message,
    state: State,
    moment: Moment,
    outcome: Outcome | None = None,
    next_at: Instant | None = None,
) -> None:
    event = Event(
        moment.new_id(), message.tenant, message.seq, state, moment.now, next_at=next_at, facets=facets_of(message)
    )
    if outcome is not None:
        event = replace(
            event,
            error=_error(outcome),
            status=outcome.status,
            headers=tuple(outcome.headers),
            body=outcome.body,
        )
    settled.changes.put.append(event)


def _error(outcome: Outcome) -> str:
    return outcome.error or f"unexpected status {outcome.status}"
