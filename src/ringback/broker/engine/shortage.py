"""Says in the log that messages wait because this node has as much in flight as it may."""

import logging
from collections.abc import Callable

from ringback.broker.rules.holding import Holding
from ringback.clock import Instant

_log = logging.getLogger("ringback.engine")

_LASTS_MS = 1000
"""Milliseconds that something has to wait before it is told: a burst fills every limit for a moment."""
_AGAIN_MS = 60_000


class Shortage:
    """Tells of messages that wait for room, once a minute at most.

    Args:
        holding: tells what this node has in flight.
    """

    def __init__(self, holding: Callable[[], Holding]) -> None:
        self._holding = holding
        self._told_at: Instant | None = None

    def is_news(self, due: Instant | None, now: Instant) -> bool:
        """Whether something that has been due since then is worth a line, if it waits for room."""
        lasts = due is not None and now - due >= _LASTS_MS
        return lasts and (self._told_at is None or not 0 <= now - self._told_at < _AGAIN_MS)

    def tell(self, due: Instant | None, now: Instant) -> None:
        """Say what there is no room for, where that is news."""
        lacks = self._holding().shortage() if self.is_news(due, now) else ""
        if lacks:
            _log.warning("messages that are due wait for room: %s", lacks)
            self._told_at = now
