"""What calls about dead letters have in common, those of messages and those of runs."""

from dataclasses import replace

from ringback.broker.api.call import Call
from ringback.broker.ids import parse_position, position
from ringback.broker.operations.dead_letters import Page
from ringback.broker.operations.selection import END_OF_WALK
from ringback.broker.records import DeadLetter
from ringback.broker.stores.contract import Query, Transaction
from ringback.errors import Refused
from ringback.wire.filters import Filter
from ringback.wire.headers import read_options
from ringback.wire.options import Options


def known_letter(call: Call, tx: Transaction) -> DeadLetter:
    """Return the dead letter that a path names.

    Raises:
        Refused: 404 if there is none.
    """
    pos = parse_position(call.names["dead_letter"])
    letter = None if pos is None else tx.get(DeadLetter, pos)
    if letter is None or letter.tenant != call.tenant.name:
        raise not_found(call)
    return letter


def not_found(call: Call) -> Refused:
    """Return the refusal for a dead letter that is not there."""
    return Refused(404, f"dead letter {call.names['dead_letter']} not found")


def changed_options(call: Call) -> Options:
    """Return what a retry, resume or restart changes; the content type of the request itself is nobody's wish."""
    return read_options([line for line in call.request.headers if line[0] != "content-type"])


def in_asked_order(page: Page, filter_: Filter) -> list[DeadLetter]:
    """Return the letters of a page in the order in which their ids were given, if they were."""
    if not filter_.ids:
        return page.letters
    rank = {text: number for number, text in enumerate(filter_.ids)}
    return sorted(page.letters, key=lambda letter: rank.get(position(letter.pos), len(rank)))


def walked(filter_: Filter, tx: Transaction) -> Filter:
    """Return the filter of a page of a walk over all letters, in which each is done something about.

    It goes as far as the newest one there is when it begins, also if that was made by a broker whose clock is ahead: what fails
    again meanwhile comes after its end, or the walk might have none.
    """
    cursor = filter_.cursor or ""
    if END_OF_WALK in cursor:
        return filter_
    newest = tx.find(DeadLetter, Query(order=("pos",), descending=True, limit=1))
    end = newest[0].pos if newest else 0
    return replace(filter_, cursor=f"{cursor}{END_OF_WALK}{position(end)}")


def walk_cursor(page: Page, walk: Filter) -> str:
    """Return where the next page of a walk begins, and where the walk ends; "" if there is none."""
    cursor, (_, mark, end) = next_cursor(page), (walk.cursor or "").partition(END_OF_WALK)
    return f"{cursor}{mark}{end}" if cursor else ""


def next_cursor(page: Page) -> str:
    """Return where the next page begins, "" if there is none."""
    return "" if page.upto is None else position(page.upto)
