"""Dead letters: found, deleted, sent again as new messages (protocol 2.10), and taken over from elsewhere."""

from dataclasses import dataclass

from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.operations.accept import accept
from ringback.broker.operations.publication import Publication
from ringback.broker.operations.selection import about_message, beyond_cursor, of_messages, positions, within_dates
from ringback.broker.records import DeadLetter, Dedup, Event, Message
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.rules.moment import Moment
from ringback.broker.rules.publish import check_quotas, dedup_id, due_at, message_from
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.wire.filters import Filter
from ringback.wire.http import Outcome
from ringback.wire.options import Options

MOST = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Some dead letters.

    Attributes:
        letters: those of the page; fewer than were found where others have taken some of them meanwhile.
        upto: where the page ends, if there are more after it.
    """

    letters: list[DeadLetter]
    upto: int | None = None

    @classmethod
    def of(cls, found: list[DeadLetter], count: int) -> "Page":
        """Return a page of `count` letters, of one more than that if there are more."""
        return cls(found[:count], found[count - 1].pos if len(found) > count else None)


def find(tx: Transaction, tenant: str, filter_: Filter) -> Page:
    """Return a page of dead letters, oldest first unless asked otherwise."""
    count = min(MOST if filter_.count is None else max(1, filter_.count), MOST)
    where = [Where("tenant", "=", tenant), Where("run", "=", 0)]
    if filter_.ids is not None:
        where.append(Where("pos", "in", positions(filter_.ids)))
        return Page(tx.find(DeadLetter, Query(tuple(where), order=("pos",), limit=1000)))
    descending = bool(filter_.latest_first)
    where += within_dates(filter_, "pos") + beyond_cursor(filter_, descending=descending)
    where += of_messages(filter_, filter_.message_ids) if filter_.message_ids else about_message(filter_)
    if filter_.statuses:
        where.append(Where("status", "in", filter_.statuses))
    found = tx.find(DeadLetter, Query(tuple(where), order=("pos",), descending=descending, limit=count + 1))
    return Page.of(found, count)


def still_there(tx: Transaction, page: Page) -> Page:
    """Return the letters of a page that nobody else has taken meanwhile; nobody else takes them now."""
    tx.load((DeadLetter, (letter.pos,)) for letter in page.letters)
    return Page([letter for letter in page.letters if tx.get(DeadLetter, letter.pos) is not None], page.upto)


def delete(tx: Transaction, letters: list[DeadLetter]) -> None:
    """Remove dead letters."""
    tx.apply(Changes(drop=list(letters)))


@dataclass(frozen=True, slots=True)
class Buried:
    """A message that was put among the dead letters, or the one it is a duplicate of.

    Attributes:
        seq: its number.
        pos: number of its dead letter; None for a duplicate whose letter is gone.
    """

    seq: int
    pos: int | None
    deduplicated: bool = False


def bury(
    tx: Transaction, publication: Publication, outcome: Outcome, retried: int, limits: Limits, moment: Moment
) -> Buried:
    """Put a message that has failed elsewhere among the dead letters, without an attempt.

    Args:
        tx: the transaction.
        publication: the message, to a URL.
        outcome: the last answer it got.
        retried: retries it has behind it.
        limits: quotas for it.
        moment: time and ids.

    Raises:
        Refused: 412 above a quota.
    """
    options, tenant = publication.options, publication.tenant
    message = message_from(
        tenant, publication.destination, options, publication.body, publication.caller_ip, limits, moment
    )
    message = replace(message, queue=publication.queue)
    changes = Changes()
    taken = dedup_id(options, publication.destination, publication.body)
    if taken is not None:
        known = tx.get(Dedup, tenant, taken)
        if known is not None and known.expires_at > moment.now:
            letters = tx.find(DeadLetter, Query((Where("message", "=", known.message),), limit=1))
            return Buried(known.message, letters[0].pos if letters else None, deduplicated=True)
        changes.put.append(Dedup(tenant, taken, message.seq, moment.now + limits.dedup_window_ms))
    letter = DeadLetter(
        moment.new_id(),
        tenant,
        message.seq,
        outcome.status,
        tuple(outcome.headers),
        outcome.body,
        outcome.error,
        retried,
        facets=facets_of(message),
    )
    created = Event(moment.new_id(), tenant, message.seq, "CREATED", moment.now, facets=letter.facets)
    failed = Event(
        moment.new_id(),
        tenant,
        message.seq,
        "FAILED",
        moment.now,
        error=outcome.error,
        status=outcome.status,
        facets=letter.facets,
    )
    changes.put += [message, created, failed, letter, *described(message, moment.now)]
    tx.apply(changes)
    return Buried(message.seq, letter.pos)


def retry(tx: Transaction, letter: DeadLetter, changed: Options, limits: Limits, moment: Moment) -> int | None:
    """Send a dead letter's message again as a new one; the letter is gone in the same breath.

    Args:
        tx: the transaction.
        letter: what to send again.
        changed: options given with the retry; each that is given replaces the message's own.
        limits: quotas for them.
        moment: time, ids and room.

    Returns:
        The number of the new message, None if the old one is not known any more.
    """
    old = tx.get(Message, letter.message)
    tx.apply(Changes(drop=[letter]))
    if old is None:
        return None
    check_quotas(changed, old.body, limits, moment.now)
    given = {
        name: value
        for name, value in (
            ("method", changed.method),
            ("headers", changed.headers or None),
            ("retries", changed.retries),
            ("retry_delay", changed.retry_delay),
            ("timeout_ms", changed.timeout_ms),
            ("callback", changed.callback),
            ("failure_callback", changed.failure_callback),
            ("labels", changed.labels or None),
            ("flow", changed.flow_control),
            ("redact", changed.redact),
        )
        if value is not None
    }
    new = replace(
        old,
        seq=moment.new_id(),
        created_at=moment.now,
        not_before=due_at(changed, moment.now),
        holds=None,
        fixed=changed.not_before is not None,
        **given,
    )
    accept(tx, new, moment)
    return new.seq
