"""The overview."""

from ringback.client.diagnosis import stalled
from ringback.client.insight import statistics
from ringback.console.screens import Screen, Section, Values, Visit
from ringback.console.views.overview import RANGES, overview

_STALLED = 5


async def load(visit: Visit) -> Values:
    """Ask for the counts, and for what makes no progress."""
    minutes = visit.number("minutes") or 60
    if minutes not in RANGES:
        minutes = 60
    told = await visit.ask(statistics(minutes, wait=False))
    waiting = await visit.ask(stalled())
    return {
        **overview(told, minutes),
        "minutes": minutes,
        "ranges": RANGES,
        "stalled": waiting[:_STALLED],
        "stalled_more": max(0, len(waiting) - _STALLED),
    }


SECTION = Section((Screen("/", "overview.html", load, "Overview", "Watch", live=True),))
