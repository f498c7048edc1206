"""What the endpoint answers: statuses and headers the broker acts on (protocol workflow 1.10)."""

import traceback
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType

from ringback.client.durations import seconds
from ringback.client.settings import platform
from ringback.errors import Refused, SignatureInvalid
from ringback.wire.http import Response
from ringback.wire.steps import dump
from ringback.workflow.errors import NonRetryableError, RetryAfterError, WorkflowError

_SDK = [
    ("Upstash-Workflow-Sdk-Version", "1"),
    ("Upstash-workflow-sdk", "v1.3.2"),  # brokers compare it with v1.0.0; it names the protocol's dialect, not us
]
if (_platform := platform()) is not None:
    _SDK.append(("Ringback-Platform", _platform))
_STACK_FRAMES = 15
_RUN_HAS_ENDED = "can not append to"  # in the text of the refusal, however the run has ended (protocol workflow 1.10)
_NOT_THEIRS = ("ringback.", "asyncio.", "concurrent.")

LARGEST_BODY = 128 * 1024 * 1024
"""Most bytes of a request that are read; brokers send large state on demand, in smaller deliveries."""


def answer(status: int, body: object, *headers: tuple[str, str]) -> Response:
    """Return a JSON answer that shows that a workflow lives here."""
    return Response(status, [("Content-Type", "application/json"), *_SDK, *headers], dump(body).encode())


def done(run_id: str, how: str = "success", *headers: tuple[str, str]) -> Response:
    """Return: this delivery is dealt with."""
    return answer(200, {"workflowRunId": run_id, "finishCondition": how}, *headers)


def too_large() -> Response:
    """Return: this request is larger than any delivery."""
    return answer(413, {"error": "ContentTooLarge", "message": f"a delivery has at most {LARGEST_BODY} bytes"})


def failed(error: BaseException, step: str | None = None, retry_after: float | None = None) -> Response:
    """Return what an error tells the broker: try again, try again later, or never.

    Args:
        error: what was raised; in groups the most decisive member counts.
        step: name of the step in which it was raised.
        retry_after: wait before the next try in seconds, where the step asks for it.
    """
    error = decisive(error)
    body = {"error": type(error).__name__, "message": str(error) or type(error).__name__, "stack": _stack(error)}
    named = [("Upstash-Error-Step-Name", _header(step))] if step else []
    match error:
        case NonRetryableError():
            return answer(489, body, ("Upstash-NonRetryable-Error", "true"), *named)
        case RetryAfterError():
            return answer(429, body, ("Retry-After", _wait(error.retry_after)), *named)
        case SignatureInvalid():
            return answer(401, {"error": "SignatureInvalid", "message": str(error)})
    if retry_after is not None:
        named.append(("Retry-After", _wait(retry_after)))
    return answer(500, body, *named)


def refused(run_id: str, error: Refused) -> Response:
    """Return what the broker's refusal of a submission means for the delivery it was made in."""
    if error.status == 400 and _RUN_HAS_ENDED in error.text:  # nothing is left to do
        return done(run_id)
    if error.status in (400, 412):  # something that cannot be read, or a limit: a further try meets it again
        return failed(NonRetryableError(f"the broker refuses to go on: {error.text}"))
    return failed(WorkflowError(f"the broker refused with {error.status}: {error.text}"))


def decisive(error: BaseException) -> BaseException:
    """Return the error that decides: of a group, one that forbids or delays a further try, or else the first."""
    leaves = list(_leaves(error))
    for kind in (NonRetryableError, RetryAfterError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


def theirs(raised: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that is the application's, the whole one where none is."""
    inner = raised
    while inner is not None and inner.tb_frame.f_globals.get("__name__", "").startswith(_NOT_THEIRS):
        inner = inner.tb_next
    return inner or raised


def _stack(error: BaseException) -> str:
    frames = traceback.extract_tb(theirs(error.__traceback__))[-_STACK_FRAMES:]
    return "".join(traceback.format_list(frames))


def _wait(duration: float | str | timedelta) -> str:
    try:
        return str(max(1, round(seconds(duration, "retry_after"))))
    except ValueError:
        return "1"


def _header(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in text)[:200]
    try:
        clean.encode("latin-1")
    except UnicodeEncodeError:
        return clean.encode().decode("latin-1")
    return clean
