"""How often and how soon a job is tried again: BullMQ's attempts and backoff in the broker's words."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ringback.importing.bullmq.jobs import whole

_LONGEST_MS = 86_400_000


class Tries(NamedTuple):
    """Headers for retries, and what they cannot say."""

    headers: dict[str, str]
    notes: list[str]


def tries(opts: Mapping[str, Any], attempts: int, made: int, most: int | None) -> Tries:
    """Return the headers that leave a job the tries it has left, with the waits between them that it would have had.

    Args:
        opts: the job's options.
        attempts: how often it may be tried in all.
        made: attempts it has behind it.
        most: cap for retries, None for none.
    """
    retries, notes = max(1, attempts - made) - 1, []
    if most is not None and retries > most:
        notes.append(f"{retries} retries are left, cut to {most}")
        retries = most
    expression, told = _expression(opts.get("backoff"), made)
    headers = {"Upstash-Retries": str(retries)}
    if retries and expression is not None:
        headers["Upstash-Retry-Delay"] = expression
    return Tries(headers, notes + told if retries else notes)


def _expression(backoff: object, made: int) -> tuple[str | None, list[str]]:
    """Return the wait before a retry in milliseconds, as an expression; BullMQ counts on from attempts already made."""
    if backoff is None or backoff == 0:
        return "0", []  # BullMQ tries again at once where nothing else was said
    if not isinstance(backoff, Mapping):
        return _fixed(whole(backoff)), []
    kind, delay = backoff.get("type"), whole(backoff.get("delay"))
    notes = ["the backoff's jitter is not carried"] if backoff.get("jitter") else []
    if kind == "fixed":
        return _fixed(delay), notes
    if kind == "exponential":
        power = f"{made} + retried" if made else "retried"
        return f"min({_LONGEST_MS}, {delay} * pow(2, {power}))", notes
    reason = f"backoff {str(kind)[:40]!r} is code in the worker; the broker's default backoff takes its place"
    return None, [*notes, reason]


def _fixed(delay: int) -> str:
    return str(min(max(0, delay), _LONGEST_MS))
