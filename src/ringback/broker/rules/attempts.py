"""Which attempts were made to deliver a message, told from its history."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ringback.broker.records import Event, HeaderLines
from ringback.clock import Instant

AttemptState = Literal["ACTIVE", "ERROR", "DELIVERED", "LOST"]
_ENDS = frozenset({"DELIVERED", "FAILED", "CANCELED"})


class Attempt(Struct):
    """One attempt, and what came of it.

    Attributes:
        number: from 1.
        retried: what `Upstash-Retried` said; an attempt that got lost is made again under the same number.
        began: when it was sent, None where only its outcome is known.
        ended: when its outcome was written down, None while it is in flight, or where it got lost.
        state: LOST where no outcome was ever written down: the broker died, or the run had ended.
        status: of the answer, 0 for none, None while there is no outcome.
        error: what went wrong, for a person.
        headers, body: of the answer, as far as they are kept.
        next_at: when the next one was planned for.
    """

    number: int
    retried: int
    began: Instant | None
    ended: Instant | None = None
    state: AttemptState = "ACTIVE"
    status: int | None = None
    error: str | None = None
    headers: HeaderLines = ()
    body: bytes = b""
    next_at: Instant | None = None


def attempts(events: Sequence[Event], *, pending: bool) -> list[Attempt]:
    """Return the attempts that a message's events tell of: each begins with ACTIVE and ends with ERROR or DELIVERED.

    Args:
        events: of one message, oldest first.
        pending: the message has not ended: its last attempt may be in flight.
    """
    found: list[Attempt] = []
    retried = 0
    for event in events:
        if event.state == "ACTIVE":
            _lose(found)
            found.append(Attempt(len(found) + 1, retried, event.at))
        elif event.state in ("ERROR", "DELIVERED"):
            if not found or found[-1].state != "ACTIVE":
                found.append(Attempt(len(found) + 1, retried, None))
            _settle(found[-1], event)
        elif event.state == "RETRY":
            retried += 1
            if found:
                found[-1].next_at = event.next_at
    if not pending or any(event.state in _ENDS for event in events):
        _lose(found)
    return found


def _settle(attempt: Attempt, event: Event) -> None:
    attempt.state = "DELIVERED" if event.state == "DELIVERED" else "ERROR"
    attempt.ended, attempt.status, attempt.error = event.at, event.status, event.error
    attempt.headers, attempt.body = event.headers, event.body


def _lose(found: list[Attempt]) -> None:
    if found and found[-1].state == "ACTIVE":
        found[-1].state = "LOST"
