"""Lambda handlers of this process: this file brings them requests as a function URL would, and takes their answers."""

import asyncio
import os
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ringback.clock import now
from ringback.simulate.inside.events import NotAnAnswer, answer_of, event_of
from ringback.simulate.inside.serving import Context
from ringback.testing.apps import Deliver
from ringback.wire.http import Outbound, Outcome, canonical

_TIME_S = 900.0
"""What is left to a handler, as far as it is told; Lambda's own maximum."""
_NAMES = {
    "AWS_LAMBDA_FUNCTION_NAME": "check-deploy",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/check-deploy",
    "AWS_LAMBDA_LOG_STREAM_NAME": "check-deploy",
    "AWS_REGION": "us-east-1",
}


def deliver_to_handler(handler: Callable[[Any, Any], Any]) -> Deliver:
    """Return what brings requests to a Lambda handler; what it raises is answered with 502, as Lambda does."""

    async def deliver(sent: Outbound) -> Outcome:
        context = Context({**_NAMES, **os.environ}, time.monotonic() + _TIME_S)
        event = _event(sent, context.aws_request_id)
        try:
            answer = answer_of(await asyncio.to_thread(_call, handler, event, context))
        except NotAnAnswer as error:
            return Outcome(502, body=str(error).encode())
        except Exception as error:  # noqa: BLE001 - Lambda answers every exception the same way
            return Outcome(502, body="".join(traceback.format_exception(error)).encode())
        return Outcome(answer.status, [(canonical(name), value) for name, value in answer.headers], answer.body)

    return deliver


def _event(sent: Outbound, request_id: str) -> dict[str, Any]:
    parts = urlsplit(sent.url)
    headers = [("host", parts.netloc), *sent.headers]
    about = {"domainName": parts.netloc, "requestId": request_id, "sourceIp": "192.0.2.1", "timeEpoch": now()}
    return event_of(sent.method, parts.path or "/", parts.query, headers, sent.body, about)


def _call(handler: Callable[[Any, Any], Any], event: dict[str, Any], context: Context) -> Any:
    """Call a handler on a thread that has an event loop, as Lambda's main thread may; adapters such as Mangum want one."""
    with asyncio.Runner() as runner:
        runner.get_loop()  # makes it this thread's, too
        return handler(event, context)
