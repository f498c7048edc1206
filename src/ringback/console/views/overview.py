"""The overview: sums, rates and plots from counts by the minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ringback.console.views.words import count, duration

MINUTE_MS = 60_000
RANGES = {60: "1 hour", 360: "6 hours", 1440: "24 hours", 2880: "48 hours"}
BARS = 60
_FIELDS = ("accepted", "delivered", "failed", "canceled", "errors", "retries")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one bar of the plots stands for: sums of a few minutes.

    Attributes:
        at: when it begins, in milliseconds.
        p95: time that 95 of 100 attempts took at most, in milliseconds; None without attempts.
    """

    at: int
    accepted: int
    delivered: int
    failed: int
    canceled: int
    errors: int
    retries: int
    p95: float | None


def overview(told: dict[str, Any], minutes: int) -> dict[str, Any]:
    """Return what the overview shows.

    Args:
        told: the answer of `GET /v2/statistics`.
        minutes: how long back it goes.
    """
    bounds = told["attemptBoundsMs"]
    found = buckets(told["minutes"], told["now"], minutes, bounds)
    total = {name: sum(getattr(one, name) for one in found) for name in _FIELDS}
    attempts = _sum_lists([one["attempts"] for one in told["minutes"]], len(bounds) + 1)
    ended = total["delivered"] + total["failed"]
    return {
        "total": total,
        "rate": total["accepted"] / minutes,
        "success": total["delivered"] / ended if ended else None,
        "median": percentile(attempts, bounds, 0.5),
        "p95": percentile(attempts, bounds, 0.95),
        "mean": sum(one["attemptMs"] for one in told["minutes"]) / sum(attempts) if sum(attempts) else None,
        "pending": told["pending"],
        "in_flight": told["inFlight"],
        "dead": told["deadLetters"],
        "buckets": found,
        "titles": [_title(one, minutes) for one in found],
        "p95s": [one.p95 or 0 for one in found],
        "highest": max((one.accepted for one in found), default=0),
        "worst": max((one.errors for one in found), default=0),
        "slowest": max((one.p95 or 0 for one in found), default=0),
    }


def buckets(told: Sequence[dict[str, Any]], now: int, minutes: int, bounds: Sequence[int]) -> list[Bucket]:
    """Return sixty bars, the last of them with this minute; those in which nothing happened are there too."""
    width = max(1, minutes // BARS)
    first = now // MINUTE_MS - minutes + 1
    groups: list[list[dict[str, Any]]] = [[] for _ in range(minutes // width)]
    for one in told:
        at = (one["time"] // MINUTE_MS - first) // width
        if 0 <= at < len(groups):
            groups[at].append(one)
    return [_bucket(group, (first + at * width) * MINUTE_MS, bounds) for at, group in enumerate(groups)]


def percentile(classes: Sequence[int], bounds: Sequence[int], share: float) -> float | None:
    """Return the value that a share of what was counted did not exceed, as well as classes tell; None for nothing."""
    wanted = sum(classes) * share
    if not wanted:
        return None
    seen = 0.0
    for at, number in enumerate(classes):
        if seen + number >= wanted:
            low = bounds[at - 1] if at else 0
            high = bounds[at] if at < len(bounds) else bounds[-1] * 2
            return low + (high - low) * (wanted - seen) / number
        seen += number
    return None


def _bucket(group: list[dict[str, Any]], at: int, bounds: Sequence[int]) -> Bucket:
    sums = {name: sum(one[name] for one in group) for name in _FIELDS}
    attempts = _sum_lists([one["attempts"] for one in group], len(bounds) + 1)
    return Bucket(at, **sums, p95=percentile(attempts, bounds, 0.95))


def _sum_lists(lists: Sequence[Sequence[int]], length: int) -> list[int]:
    return [sum(column) for column in zip(*lists, strict=True)] if lists else [0] * length


def _title(one: Bucket, minutes: int) -> str:
    from_ = (one.at // MINUTE_MS) % 1440
    told = [
        f"{from_ // 60:02d}:{from_ % 60:02d} UTC" + (f", {minutes // BARS} min" if minutes > BARS else ""),
        f"{count(one.accepted)} accepted",
        f"{count(one.delivered)} delivered",
        f"{count(one.errors)} attempts failed",
        f"{count(one.failed)} given up",
    ]
    if one.p95 is not None:
        told.append(f"95 of 100 attempts within {duration(one.p95)}")
    return "\n".join(told)
