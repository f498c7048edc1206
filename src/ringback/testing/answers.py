"""What stands in for the services that workflows call."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.wire.http import Outbound, Outcome
from ringback.wire.steps import dump


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stub answers.

    Attributes:
        status: HTTP status.
        body: text and bytes as they are, anything else as JSON.
        headers: of the answer.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a stub was asked with."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Stub:
    """Answers in turn, the last answer ever after.

    Args:
        answers: each an `Answer`, a value that is sent as JSON with status 200, an exception (nobody answers), or a function
            of the request (`Asked`) that returns one of these.

    Attributes:
        asked: the requests, oldest first.
    """

    def __init__(self, answers: tuple[Any, ...]) -> None:
        self._left = list(answers) or [None]
        self.asked: list[Asked] = []

    def answer(self, sent: Outbound) -> Outcome:
        """Return what comes back for a request."""
        asked = Asked(sent.method, sent.url, {name.lower(): value for name, value in sent.headers}, sent.body)
        self.asked.append(asked)
        said = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        if isinstance(said, Callable):  # type: ignore[arg-type]
            said = said(asked)
        if isinstance(said, BaseException):
            return Outcome(0, error=str(said) or type(said).__name__, timed_out=isinstance(said, TimeoutError))
        return _outcome(said if isinstance(said, Answer) else Answer(body=said))


def _outcome(answer: Answer) -> Outcome:
    body = answer.body
    if body is None or isinstance(body, str | bytes):
        raw, kind = body.encode() if isinstance(body, str) else body or b"", "text/plain; charset=utf-8"
    else:
        raw, kind = dump(body).encode(), "application/json"
    return Outcome(answer.status, list(({"Content-Type": kind} | dict(answer.headers)).items()), raw)
