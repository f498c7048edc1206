"""What makes videos: one seam for our own renderer and for those of others."""

from dataclasses import dataclass
from typing import Literal, Protocol

from ringback_video.rendering.operation import Order


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at an operation found.

    Attributes:
        stage: how it stands; `lost` means that nobody works on it any more.
        progress: per cent.
        error: why it failed, for a person.
    """

    stage: Literal["running", "done", "failed", "lost"]
    progress: int = 0
    error: str = ""


class Provider(Protocol):
    """Starts a video, tells how it is doing, hands it over."""

    def start(self, operation_id: str, order: Order, photos: list[bytes]) -> str:
        """Begin, and return at once the id to ask with; starting twice with the same id begins one operation."""

    def poll(self, operation_id: str) -> Look:
        """Look at an operation without waiting."""

    def restart(self, operation_id: str) -> None:
        """Begin a lost operation again."""

    def fetch(self, operation_id: str) -> bytes:
        """Return the finished video."""

    def cancel(self, operation_id: str) -> None:
        """Stop working on it; nothing happens where it has ended."""
