"""What a provider says, in the words of a step: what is tried again, when, and what ends the job with a reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringback.workflow import NonRetryableError, RetryAfterError
from ringback_video.providers.contract import Busy, Look, NotThere, Provider, Refused
from ringback_video.rendering.operation import Order

_BUSY_S = 30.0


def start(provider: Provider, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
    """Order a video; return the operation's id.

    Raises:
        NonRetryableError: it is refused.
        RetryAfterError: the provider takes nothing more just now.
        Unreachable: nothing was accepted.
        Ambiguous: it may have been ordered; it is not to be repeated on a guess.
    """
    with _in_words_of_a_step():
        try:
            return provider.start(job_id, order, photos, callback_url)
        except NotThere as error:  # of what is asked for, such as the model: nothing was accepted
            raise Refused(str(error)) from error


def look(provider: Provider, operation_id: str) -> Look:
    """Look at an operation.

    Raises:
        NonRetryableError: the provider refuses to tell.
        RetryAfterError: the provider does not want to be asked just now.
    """
    with _in_words_of_a_step():
        return provider.poll(operation_id)


def judge(provider: Provider, operation_id: str, found: Look) -> None:
    """Draw the consequences of a look; an operation that was lost is begun again where that costs nothing.

    Raises:
        NonRetryableError: it has come to a bad end.
    """
    with _in_words_of_a_step():
        match found.stage:
            case "failed":
                raise NonRetryableError(f"The video could not be rendered: {found.error}")
            case "filtered":
                raise NonRetryableError(f"The provider's moderation kept the video back: {found.error}")
            case "canceled":
                raise NonRetryableError(found.error or "The video was canceled at the provider.")
            case "lost":
                provider.restart(operation_id)


def fetch(provider: Provider, operation_id: str, target: Path) -> None:
    """Write the finished video into a file.

    Raises:
        NonRetryableError: it is gone.
        RetryAfterError: the provider does not want to be asked just now.
    """
    try:
        with _in_words_of_a_step():
            provider.fetch(operation_id, target)
    except NotThere as error:
        raise NonRetryableError(str(error)) from error


@contextmanager
def _in_words_of_a_step() -> Iterator[None]:
    """Whatever is not named here is tried again, as every step is."""
    try:
        yield
    except Refused as error:
        raise NonRetryableError(str(error)) from error
    except Busy as error:
        raise RetryAfterError(str(error), error.retry_after_s or _BUSY_S) from error
