"""Facets: what history is filtered by, written down once for all messages that have it in common.

Millions of events are about few sorts of messages: the same URL, labels, queue ... A sort has a number, made from what it is
by a hash, and each event carries it; so one narrow index answers every filter, and an event costs no more than that.
"""

import hashlib
from functools import lru_cache

from msgspec.structs import replace

from ringback.broker.records import FacetLabel, Facets, Message, Record, Run
from ringback.clock import Instant
from ringback.wire.remembered import SHORT

_DAY_MS = 86_400_000
_LONGEST_KEY = 255


def facets_of(message: Message) -> int:
    """Return the number of a message's facets."""
    return _of(message).id


def described(message: Message, now: Instant) -> list[Record]:
    """Return what the number of a message's facets means, to be written with the message's history."""
    return _described(_of(message), now)


def sort_of(message: Message, now: Instant) -> tuple[int, list[Record]]:
    """Return both, for who wants both: `facets_of` and `described`."""
    facets = _of(message)
    return facets.id, _described(facets, now)


def with_facets(run: Run) -> Run:
    """Return a run with the number of its facets: mostly those of its messages."""
    return replace(run, facets=_of_run(run).id)


def described_run(run: Run, now: Instant) -> list[Record]:
    """Return what the number of a run's facets means, to be written with the run."""
    return _described(_of_run(run), now)


def labels_of(facets: Facets) -> list[FacetLabel]:
    """Return the entries under which facets are found by label."""
    return [FacetLabel(facets.tenant, label_key(label), facets.id) for label in facets.labels]


def label_key(label: str) -> str:
    """Return what a label is found by: itself, or a hash where it is longer than an index takes."""
    return label if len(label) <= _LONGEST_KEY else hashlib.sha256(label.encode("utf-8", "surrogateescape")).hexdigest()


def last_day(before: Instant) -> int:
    """Return the last day, counted from the epoch, of which nothing is left that happened before an instant."""
    return before // _DAY_MS - 1


def _described(facets: Facets, now: Instant) -> list[Record]:
    facets = replace(facets, day=now // _DAY_MS)
    return [facets, *labels_of(facets)] if facets.labels else [facets]


def _of_run(run: Run) -> Facets:
    flow = run.options.flow_control
    make = _known_facets if _is_short(run.url, run.options.labels) else _facets
    return make(
        run.tenant, run.url, run.caller_ip, None, None, None, flow.key if flow else None, run.options.labels, True
    )


def _of(message: Message) -> Facets:
    make = _known_facets if _is_short(message.url, message.labels) else _facets
    return make(
        message.tenant,
        message.url,
        message.caller_ip,
        message.queue,
        message.group,
        message.schedule,
        message.flow.key if message.flow else None,
        message.labels,
        message.run is not None,
    )


def _is_short(url: str, labels: tuple[str, ...]) -> bool:
    """Whether facets are remembered; all their other texts are short."""
    return len(url) <= SHORT and (not labels or sum(map(len, labels)) <= SHORT)


def _facets(*of: str | tuple[str, ...] | bool | None) -> Facets:
    number = int.from_bytes(hashlib.blake2b(repr(of).encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")
    return Facets(number >> 1, 0, *of[:-1], int(bool(of[-1])))  # type: ignore[arg-type, call-arg]


_known_facets = lru_cache(maxsize=4096)(_facets)
