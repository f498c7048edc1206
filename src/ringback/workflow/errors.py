"""What can go wrong in a workflow, and what each kind of error tells the broker.

RingbackError
└── WorkflowError            the delivery fails and is tried again (500)
    ├── NonRetryableError    the run fails now, no further try (489)
    │   ├── ChargeRefused    a provider said no to a charge
    │   └── ChargeUnclear    nobody knows whether a charge was made
    ├── RetryAfterError      tried again after the given time (429)
    ├── StepFailed           a step ended with an error that it was allowed to end with
    ├── Unclear              a provider cannot tell whether a charge was made; raised by a look-up
    └── Misuse               the workflow is written wrongly; the text says what to do (500)
        ├── StepMismatch     the code no longer fits the history of the run
        └── NotSerializable  a value cannot be written as JSON, or not be read back
DeliveryEnded                ends blocking workflow code; a BaseException, so that `except Exception` lets it pass
"""

from datetime import timedelta

from ringback.client.durations import seconds
from ringback.errors import RingbackError


class WorkflowError(RingbackError):
    """What all errors of the workflow SDK derive from."""


class NonRetryableError(WorkflowError):
    """Raise it, in a step or between steps, when trying again cannot help: the run fails at once.

    >>> raise NonRetryableError("the order has been cancelled")
    """


class RetryAfterError(WorkflowError):
    """Raise it when trying again makes sense only after a while, for example when a rate limit was hit.

    Args:
        message: what happened, for a person.
        retry_after: seconds, a duration such as "10s" or "2m", or a timedelta; or the text of a header that gives seconds.

    Raises:
        ValueError: it is none of these, such as a header that is missing.
    """

    def __init__(self, message: str, retry_after: float | str | timedelta) -> None:
        super().__init__(message)
        given = float(retry_after) if isinstance(retry_after, str) and retry_after.strip().isdecimal() else retry_after
        self.retry_after = seconds(given, "the time after which RetryAfterError wants to be tried again")


class StepFailed(WorkflowError):
    """A step ended with one of the errors in its option `raises`; the run may go on.

    Attributes:
        step: name of the step.
        error: class name of the error, such as "CardDeclined".
        message: its text.
    """

    def __init__(self, step: str, error: str, message: str) -> None:
        super().__init__(f"{step}: {error}: {message}")
        self.step = step
        self.error = error
        self.message = message


class ChargeRefused(NonRetryableError):
    """Raise it in the function of a charge when the provider said no for certain: nothing was charged."""


class Unclear(WorkflowError):
    """Raise it in the look-up of a charge when the provider cannot tell whether it was made."""


class ChargeUnclear(NonRetryableError):
    """Nobody can say whether a charge was made, and nobody decided in time: nothing is sent again."""


class Misuse(WorkflowError):
    """The workflow's code does what a workflow cannot do; the message says what to do instead."""


class StepMismatch(Misuse):
    """The code asks for another step than the one the run's history holds at this place.

    Attributes:
        number: which step of the run it is, from 1.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class NotSerializable(Misuse):
    """A value cannot travel as JSON, or cannot be read back as its annotation says."""


class DeliveryEnded(BaseException):
    """Unwinds a blocking workflow when its part of the work is done for this delivery."""
