"""What makes videos: one seam for our own renderer and for those of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ringback_video.rendering.operation import Order
from ringback_video.templates import Format

Stage = Literal["queued", "running", "done", "failed", "filtered", "canceled", "lost"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do.

    Attributes:
        name: what `STUDIO_PROVIDER` calls it.
        contract: date of the provider's interface that the adapter was built for, or the version of its client.
        formats: shapes of video that it makes.
        seconds: lengths that it makes; empty means any.
        most_photos: how many of the photos it uses; the rest is left out.
        captions: whether the caption stands in the picture; otherwise it only tells the mood.
        exact: whether the video has the template's size in pixels; otherwise it has its shape.
        progress: whether it says how far it is, in per cent.
        webhooks: whether it calls back.
        look_up: whether it can be asked for an operation by the job's id, after a reply was lost.
        cancel: what giving up costs.
        keeps_output_s: how long a finished video can be fetched, in seconds; None for as long as we want.
        poll_every_s: it is not to be asked more often than this, in seconds.
    """

    name: str
    contract: str
    formats: frozenset[Format]
    seconds: tuple[int, ...] = ()
    most_photos: int = 1
    captions: bool = False
    exact: bool = False
    progress: bool = False
    webhooks: bool = False
    look_up: bool = False
    cancel: Literal["free", "free before it starts", "not possible"] = "not possible"
    keeps_output_s: int | None = None
    poll_every_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at an operation found.

    Attributes:
        stage: how it stands; `filtered` means that moderation kept the result back, `lost` that nobody works on it any more.
        progress: per cent, 0 where the provider does not say.
        error: why it failed, for a person.
        note: something unexpected that does not end it, for the log.
        cost: what the provider charged, in its own unit; None if it has not said.
    """

    stage: Stage
    progress: int = 0
    error: str = ""
    note: str = ""
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A call from a provider whose signature holds. It is a reason to look, not the truth itself: it may come twice, or early.

    Attributes:
        id: the same for each delivery of the same event.
        operation_id: what to look at.
    """

    id: str
    operation_id: str


class ProviderError(Exception):
    """Something went wrong with a provider; the text is for a person.

    ProviderError
    ├── Refused      trying again would not help
    ├── Busy         not now
    ├── Unreachable  nothing was accepted; trying again is safe
    ├── Ambiguous    it may have been accepted; trying again may pay twice
    ├── NotThere     it knows of no such operation, or no longer
    └── BadSignature a webhook that is not theirs, or too old
    """


class Refused(ProviderError):
    """The provider will not do it; trying again would not help."""


class Busy(ProviderError):
    """The provider takes nothing more just now.

    Args:
        text: what it said.
        retry_after_s: when it will, in seconds; None if it has not said.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unreachable(ProviderError):
    """Nothing was accepted; trying again is safe."""


class Ambiguous(ProviderError):
    """A paid order may have been accepted, but we do not know its id. Look it up or wait for its webhook; do not repeat it."""


class NotThere(ProviderError):
    """The provider knows of no such operation, or its result is gone."""


class BadSignature(ProviderError):
    """A webhook that the provider did not send, or not just now."""


class Provider(Protocol):
    """Starts a video, tells how it is doing, hands it over."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """Begin, and return at once the id to ask with. Costs money: sent once, never repeated by the adapter.

        Args:
            job_id: carried as a tag where the provider has a place for it.
            order: template and caption.
            photos: JPEGs of working size.
            callback_url: where its webhooks go, with the job in its query.

        Raises:
            Refused, Busy, Unreachable, Ambiguous: see there.
        """

    def look_up(self, job_id: str) -> str | None:
        """Return the id of what was started for a job; None if nothing was, or if the provider cannot be asked."""

    def poll(self, operation_id: str) -> Look:
        """Look at an operation without waiting.

        Raises:
            Busy, Unreachable, Refused: see there.
        """

    def restart(self, operation_id: str) -> None:
        """Begin a lost operation again, where that costs nothing.

        Raises:
            Refused: it would be a new order.
        """

    def fetch(self, operation_id: str, target: Path) -> None:
        """Write the finished video into a file.

        Args:
            operation_id: which.
            target: is written anew, in pieces; a video of more than 200 MB is refused.

        Raises:
            NotThere: it is gone.
            Busy, Unreachable, Refused: see there.
        """

    def cancel(self, operation_id: str) -> None:
        """Stop working on it; nothing happens where it has ended or cannot be stopped."""

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """Return what a webhook is about.

        Args:
            headers: of the request, names in lower case.
            body: exactly as received.
            now_s: Unix time.

        Raises:
            BadSignature: it is not the provider's, or too old.
        """
