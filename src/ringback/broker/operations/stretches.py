"""Stretches of history are noted when they cannot change any more, and forgotten with what is in them; see `stores.stretches`."""

from collections.abc import Iterator

from ringback.broker.ids import first_id_at
from ringback.broker.records import DeadLetter, Event, Record, Run, Stretch
from ringback.broker.rules.moment import CLOCKS_DIFFER_MS
from ringback.broker.settings import Limits
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.broker.stores.rows import TABLES
from ringback.clock import Instant

KINDS: tuple[type[Record], ...] = (Event, DeadLetter, Run)
LONG = 20_000
"""Records in a stretch: as many are walked through in some ten milliseconds."""
_SETTLED_MS = 2 * CLOCKS_DIFFER_MS
"""After how long nobody writes to a place any more: a transaction lasts seconds, and clocks of nodes may differ."""


def next_one(tx: Transaction, kind: type[Record], now: Instant) -> Stretch | None:
    """Return the next stretch to be noted, or None if there is none yet."""
    return tx.next_stretch(kind, first_id_at(now - _SETTLED_MS), LONG)


def ends(tx: Transaction) -> Iterator[int]:
    """Yield the last place of what is noted of each kind: nothing may be written there any more, whatever a clock says."""
    for kind in KINDS:
        of = (Where("of", "=", TABLES[kind].name),)
        yield from (one.upto for one in tx.find(Stretch, Query(of, order=("of", "upto"), descending=True, limit=1)))


def forgotten(tx: Transaction, most: int, limits: Limits, now: Instant) -> Iterator[Stretch]:
    """Yield the stretches whose history is past its time."""
    kept_ms = {Event: limits.log_retention_ms, DeadLetter: limits.dlq_retention_ms}
    for kind in KINDS:
        before = first_id_at(now - kept_ms.get(kind, max(kept_ms.values())))
        where = (Where("of", "=", TABLES[kind].name), Where("upto", "<", before))
        yield from tx.find(Stretch, Query(where, order=("of", "upto"), limit=most))
