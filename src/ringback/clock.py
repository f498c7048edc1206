"""The one place that reads the wall clock; everything else is told the time."""

import time
from collections.abc import Callable

Instant = int
"""Milliseconds since the Unix epoch, as on the wire."""

Clock = Callable[[], Instant]


def now() -> Instant:
    """Return the current time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def elapsed() -> float:
    """Return seconds since some moment in the past; they pass while this process is stopped or the machine sleeps, too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
