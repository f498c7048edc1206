"""Stretches: what each part of history is about, noted once it cannot change any more, so that a page may leave parts out.

A filter that fits many sorts of messages, all of which were last used long ago, has no index to be answered from: history is
walked through. A stretch of some ten thousand records holds a short hash of everything its messages are filtered by; where one
that is asked for is missing, the stretch is passed over. Nothing of this costs a message: stretches are noted in the background,
one after the other, from the oldest record on. What is not noted yet is walked through.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ringback.broker.records import Facets, Record, Stretch
from ringback.broker.rules.facets import label_key
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.rows import CODECS, TABLES
from ringback.broker.stores.sql import Ask
from ringback.wire.remembered import SHORT

_HASH = 4
"""Bytes of a hash. Two values that share one cost time, nothing else."""
_READ = 100
"""Stretches that are read at once."""
_LAST = (1 << 63) - 1
"""No place lies beyond."""
_FACETS, _STRETCHES = CODECS[Facets], CODECS[Stretch]

Segment = tuple[int, int]
"""A part of history: the place before it, and its last place."""


def next_stretch(ask: Ask, kind: type[Record], before: int, most: int) -> Stretch | None:
    """Return the stretch that follows those that are noted; None as long as it is not full.

    Args:
        ask: runs a statement.
        kind: of which records.
        before: places from here on may still be written to.
        most: how many records it holds.
    """
    table = TABLES[kind]
    place, stretches = f"r.{table.key[0]}", TABLES[Stretch].name
    noted = list(ask(f'SELECT max(s.upto) FROM {stretches} s WHERE s."of" = ?', [table.name]))
    after = noted[0][0] if noted and noted[0][0] is not None else -1
    within = f"{table.name} r WHERE {place} > ? AND {place}"
    full = list(ask(f"SELECT {place} FROM {within} < ? ORDER BY {place} LIMIT 1 OFFSET ?", [after, before, most - 1]))
    if not full:
        return None
    ((upto,),) = full
    used = f"SELECT r.facets FROM {within} <= ?"
    found = ask(f"SELECT f.record FROM {TABLES[Facets].name} f WHERE f.id IN ({used})", [after, upto])
    about = {one for (stored,) in found for one in _hashes(_FACETS.record(stored))}
    return Stretch(table.name, upto, after, b"".join(sorted(about)))


def segments(ask: Ask, kind: type[Record], query: Query, about: Sequence[Where]) -> Iterator[Segment]:
    """Yield the parts of history in which records about something may lie, in the order of a query.

    Args:
        ask: runs a statement.
        kind: of which records.
        query: what is asked; its conditions on places bound the parts.
        about: the conditions on facets.
    """
    asked = [hashes for one in about if (hashes := _asked(one))]
    turned = _mirrored if query.descending else _same
    low, high = _bounds(query)
    edge, end = turned((low, high))
    for batch in _noted(ask, kind, low, high, descending=query.descending):
        parts = []
        for stretch in batch:
            begin, last = turned((stretch.after, stretch.upto))
            if edge < begin:
                parts.append((edge, begin))  # is not noted
            begin, edge = max(edge, begin), max(edge, last)
            if begin < edge and all(any(_holds(stretch.about, one) for one in hashes) for hashes in asked):
                parts.append((begin, edge))
        yield from map(turned, _joined(parts))
    if edge < end:
        yield turned((edge, end))


def _noted(ask: Ask, kind: type[Record], low: int, high: int, *, descending: bool) -> Iterator[list[Stretch]]:
    """Yield the stretches that end in a range of places, some at a time; two brokers may have noted the same part."""
    table = TABLES[Stretch]
    order = "DESC" if descending else "ASC"
    statement = f"""SELECT s.record FROM {table.name} s WHERE s."of" = ? AND s.upto > ? AND s.upto <= ?
        ORDER BY s.upto {order} LIMIT ?"""
    while True:
        batch = [_STRETCHES.record(row[0]) for row in ask(statement, [TABLES[kind].name, low, high, _READ])]
        yield batch
        if len(batch) < _READ:
            return
        low, high = (low, batch[-1].upto - 1) if descending else (batch[-1].upto, high)


def _bounds(query: Query) -> Segment:
    low, high = -1, _LAST
    for one in query.where:
        if one.column in query.order:
            match one.op:
                case ">" | ">=":
                    low = max(low, one.value - (one.op == ">="))
                case "<" | "<=":
                    high = min(high, one.value - (one.op == "<"))
                case _:
                    pass
    return low, high


def _same(segment: Segment) -> Segment:
    return segment


def _mirrored(segment: Segment) -> Segment:
    """Turn history round, so that the newest comes first; twice, and it is as it was."""
    return -segment[1] - 1, -segment[0] - 1


def _joined(parts: Iterable[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for begin, end in parts:
        if joined and joined[-1][1] == begin:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    return joined


def _hashes(facets: Facets) -> Iterator[bytes]:
    for column, value in zip(_FACETS.names, _FACETS.columns(facets), strict=True):
        if value is not None:
            yield _hash(column, value)
    for label in facets.labels:
        yield _hash("labels", label_key(label))


def _asked(one: Where) -> list[bytes]:
    """Return the hashes of which a stretch has one where a condition is met; none if it has to be looked at anyway."""
    match one.op:
        case "=":
            return [_hash(one.column, one.value)]
        case "in":
            return [_hash(one.column, value) for value in one.value]
        case "contains":
            return [_hash(one.column, label_key(value)) for value in one.value]
        case _:
            return []


def _hash(column: str, value: object) -> bytes:
    return _known_hash(column, value) if not isinstance(value, str) or len(value) <= SHORT else _crc(column, value)


def _crc(column: str, value: object) -> bytes:
    return zlib.crc32(f"{column}={value}".encode("utf-8", "surrogateescape")).to_bytes(_HASH, "big")


_known_hash = lru_cache(maxsize=10_000)(_crc)  # but for labels, few values come again and again


def _holds(about: bytes, asked: bytes) -> bool:
    found = about.find(asked)
    while found >= 0 and found % _HASH:
        found = about.find(asked, found + 1)
    return found >= 0
