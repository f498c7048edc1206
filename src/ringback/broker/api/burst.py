"""Requests per second: management calls of one account, counted in windows of a second (protocol 1.5)."""

from ringback.clock import Instant
from ringback.errors import Refused

_UNLIMITED = ("publish", "enqueue", "batch", "trigger")
"""Publishing has no limit of requests per second."""


class BurstLimit:
    """Counts and refuses.

    Args:
        most: management calls of one account in one second, None for no limit.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, tenant: str, target: str, now: Instant) -> None:
        """Count a request.

        Raises:
            Refused: 429 with the headers that clients tell this limit by.
        """
        if self._most is None or target[4:].partition("/")[0].lower() in _UNLIMITED:
            return
        second = now // 1000
        began, count = self._windows.get(tenant, (second, 0))
        count = count + 1 if began == second else 1
        self._windows[tenant] = (second, count)
        if count > self._most:
            told = (("Limit", self._most), ("Remaining", 0), ("Reset", second + 1))
            headers = tuple((f"Burst-RateLimit-{name}", str(value)) for name, value in told)
            raise Refused(429, f"too many requests, at most {self._most} in a second", headers)
