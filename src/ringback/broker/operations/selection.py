"""From a filter to the conditions a store is asked with."""

from typing import Literal

from ringback.broker.ids import first_id_at, parse_message_id, parse_position
from ringback.broker.stores.contract import Where
from ringback.errors import Refused
from ringback.wire.filters import Filter

END_OF_WALK = "~"
"""Stands in cursors of walks before the position that they do not go beyond; a list goes on with one, too."""


def about_message(filter_: Filter) -> list[Where]:
    """Return the conditions on the message that a record is about."""
    where = [
        Where(f"message.{column}", "in", values)
        for column, values in (
            ("url", filter_.urls),
            ("host", filter_.hosts),
            ("path", filter_.paths),
            ("group", filter_.groups),
            ("schedule", filter_.schedules),
            ("queue", filter_.queues),
            ("flow_key", filter_.flow_keys),
            ("caller_ip", filter_.caller_ips),
        )
        if values
    ]
    if filter_.labels:
        where.append(Where("message.labels", "contains", filter_.labels))
    return where


def within_dates(filter_: Filter, column: Literal["seq", "pos"]) -> list[Where]:
    """Return the conditions on the number of a record, which holds the time of its making."""
    where = []
    if filter_.from_ms is not None:
        where.append(Where(column, ">=", first_id_at(filter_.from_ms)))
    if filter_.to_ms is not None:
        where.append(Where(column, "<", first_id_at(filter_.to_ms + 1)))
    return where


def of_messages(filter_: Filter, ids: tuple[str, ...]) -> list[Where]:
    """Return the condition that a record is about one of these messages."""
    known = [seq for seq in (parse_message_id(text) for text in ids) if seq is not None]
    return [*about_message(filter_), Where("message", "in", tuple(known))]


def positions(ids: tuple[str, ...]) -> tuple[int, ...]:
    """Return the numbers of log positions; what is none is left out."""
    return tuple(pos for pos in (parse_position(text) for text in ids) if pos is not None)


def beyond_cursor(filter_: Filter, *, descending: bool) -> list[Where]:
    """Return the condition that continues a list after its last page.

    Raises:
        Refused: 400 for a cursor that is none.
    """
    if filter_.cursor is None:
        return []
    after, mark, end = filter_.cursor.partition(END_OF_WALK)
    where = [Where("pos", "<" if descending else ">", _position(after, filter_.cursor))] if after or not mark else []
    return [*where, Where("pos", "<=", _position(end, filter_.cursor))] if mark else where


def _position(text: str, cursor: str) -> int:
    pos = parse_position(text)
    if pos is None:
        raise Refused(400, f"invalid cursor {cursor[:64]!r}")
    return pos
