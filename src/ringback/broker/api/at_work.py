"""Refusals of what a run at work asks for (workflow protocol 1.10).

SDKs take 400 for the end of their run: they answer their delivery with success, and the run would stay where it is for ever. With
412 they fail it, in the words of the refusal.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec

from ringback.broker.api.call import Answer, Call, Respond
from ringback.broker.rules.runs import ENDED
from ringback.errors import Refused
from ringback.wire.http import Request
from ringback.wire.unreadable import UNREADABLE

IsAtWork = Callable[[Request], bool]


def visible(error: Refused, request: Request, is_at_work: IsAtWork) -> Refused:
    """Return the refusal as the caller has to be told of it: one at work never hears 400 unless its run has ended."""
    if error.status != 400 or error.text == ENDED or not is_at_work(request):
        return error
    return Refused(412, error.text, error.headers)


def visibly(is_at_work: IsAtWork) -> Callable[[Respond], Respond]:
    """Let what a handler refuses before it waits for anything be visible."""

    def decorate(respond: Respond) -> Respond:
        @wraps(respond)
        def responding(call: Call) -> Answer:
            try:
                return respond(call)
            except Refused as error:
                raise visible(error, call.request, is_at_work) from error

        return responding

    return decorate


def always(_: Request) -> bool:
    """Tell that only steps call, or that they cannot be told from others."""
    return True


def by_headers(request: Request) -> bool:
    """Tell whether a publish submits a step."""
    return _submits(dict(request.headers))


def by_items(request: Request) -> bool:
    """Tell whether an item of a batch submits a step."""
    try:
        items = msgspec.json.decode(request.body, type=list[dict[str, Any]])
    except UNREADABLE:
        return False
    headers = [item.get("headers") for item in items]
    return any(
        _submits({name.lower(): value for name, value in one.items()}) for one in headers if isinstance(one, dict)
    )


def _submits(headers: dict[str, Any]) -> bool:
    """A step is of a run; what begins one is a step of another only where it invokes."""
    begins = headers.get("upstash-workflow-init") == "true" and headers.get("upstash-workflow-invoke") != "true"
    return "upstash-workflow-runid" in headers and not begins
