"""What the person at the keyboard wants: where jobs go, and what becomes of those that are not simply waiting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

Fate = Literal["letter", "park", "again", "leave"]
"""Into the dead letters, into a paused queue, published to run again, or left in BullMQ."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How jobs are published.

    Attributes:
        destination: URL or URL group; `{queue}` and `{name}` stand for the BullMQ queue and the job's name.
        queue: the BullMQ queue they come from.
        into: queue of the broker to put them on, so that they keep their order; None to publish them at once.
        failed, stalled: what becomes of jobs that failed for good, and of those whose worker vanished.
        envelope: send a JSON object with id, name, data, opts and timestamp instead of the data alone.
        headers: further publish headers, such as `Upstash-Timeout`.
        most_retries: cap for retries where the broker has one.
        time_zone: of schedules that name none.
    """

    destination: str
    queue: str
    into: str | None = None
    failed: Fate = "letter"
    stalled: Fate = "letter"
    envelope: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    most_retries: int | None = None
    time_zone: str = "UTC"

    def url(self, name: str) -> str:
        """Return the destination for a job of this name."""
        return self.destination.replace("{queue}", quote(self.queue, safe="")).replace("{name}", quote(name, safe=""))

    @property
    def parked(self) -> str:
        """The paused queue for what must not run by itself."""
        safe = "".join(char if char.isalnum() or char in "._-" else "-" for char in self.queue if char.isascii())
        return f"{self.into or safe or 'import'}-parked"
