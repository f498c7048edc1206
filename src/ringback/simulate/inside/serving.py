"""Serving inside an instance: this file calls the application and reports what is left when each request ends."""

import asyncio
import queue
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from ringback import clock
from ringback.simulate.inside.events import NotAnAnswer, answer_of, event_of

GRACE_S = 0.05
"""How long the application may take from its last byte until it is through; platforms are not instant either."""
REQUEST_ID = b"x-ringback-request"
DEADLINE = b"x-ringback-deadline"
"""Headers between the simulator and an instance; the application does not see them."""

Ended = Callable[[str, bool], None]


class Watched:
    """The application with a report at the end of each request.

    Args:
        app: an ASGI application.
        until_return: whether a request lasts until the application returns, and not only until its last byte.
        ended: told a request's id, and whether it was the only one.
    """

    def __init__(self, app: Any, ended: Ended, *, until_return: bool) -> None:
        self._app, self._ended, self._until_return = app, ended, until_return
        self._in_flight = 0
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"])
        kept = [(name, value) for name, value in scope["headers"] if name not in (REQUEST_ID, DEADLINE)]
        scope = {**scope, "headers": kept, "ringback.deadline": float(told.get(DEADLINE, b"inf"))}
        self._in_flight += 1
        try:
            await (self._app(scope, receive, send) if self._until_return else self._answered(scope, receive, send))
        finally:
            # after the server has written down what was raised: the freeze follows at once
            asyncio.get_running_loop().call_soon(self._end, told.get(REQUEST_ID, b"").decode())

    def _end(self, request_id: str) -> None:
        self._in_flight -= 1
        self._ended(request_id, self._in_flight == 0)

    async def _answered(self, scope: Any, receive: Any, send: Any) -> None:
        answered = asyncio.Event()

        async def noting(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        task = asyncio.create_task(self._app(scope, receive, noting))
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        waiting = asyncio.create_task(answered.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)
        if task.done():
            task.result()


class Handler:
    """A Lambda handler as an ASGI application; the handler itself runs on the main thread, one event at a time.

    Args:
        function: what Lambda calls with an event and a context.
        environment: the variables that name the function.
    """

    def __init__(self, function: Callable[[Any, Any], Any], environment: dict[str, str]) -> None:
        self._function, self._environment = function, environment
        self._calls: queue.SimpleQueue[tuple[dict[str, Any], Context, Callable[[Any, bool], None]]] = (
            queue.SimpleQueue()
        )

    def run(self) -> None:
        """Work on events, for ever."""
        while True:
            event, context, reply = self._calls.get()
            try:
                reply(self._function(event, context), True)
            except Exception:  # noqa: BLE001 - Lambda answers every exception the same way
                traceback.print_exc()
                reply(None, False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request through the handler."""
        if scope["type"] == "lifespan":
            raise RuntimeError("a handler has no lifespan")  # the server takes this as "not supported"
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[tuple[Any, bool]] = loop.create_future()
        context = Context(self._environment, scope["ringback.deadline"])
        self._calls.put(
            (
                self._event(scope, body, context),
                context,
                lambda value, well: _from_thread(loop, result, (value, well)),
            )
        )
        value, well = await result
        await _respond(send, value, well)

    @staticmethod
    def _event(scope: Any, body: bytes, context: "Context") -> dict[str, Any]:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        about = {
            "domainName": dict(headers).get("host", "127.0.0.1"),
            "requestId": context.aws_request_id,
            "sourceIp": scope["client"][0] if scope.get("client") else "127.0.0.1",
            "timeEpoch": clock.now(),
        }
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        return event_of(scope["method"], path, scope["query_string"].decode("latin-1"), headers, body, about)


class Context:
    """What Lambda tells a handler beside the event.

    Source: docs.aws.amazon.com/lambda/latest/dg/python-context.html.

    Args:
        environment: the variables that name the function.
        deadline: when the function is killed, on the monotonic clock, in seconds.
    """

    identity = None
    client_context = None

    def __init__(self, environment: dict[str, str], deadline: float) -> None:
        self._deadline = deadline
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environment["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environment["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        region = environment["AWS_REGION"]
        self.invoked_function_arn = f"arn:aws:lambda:{region}:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is killed."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def serve_on_a_thread(run: Callable[[], None]) -> threading.Thread:
    """Start the server on a thread of its own, so that the main thread is the handler's."""
    thread = threading.Thread(target=run, name="ringback-simulate", daemon=True)
    thread.start()
    return thread


def _from_thread(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: Any) -> None:
    loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(value))


async def _respond(send: Any, value: Any, well: bool) -> None:
    status, headers, body = 502, [("content-type", "application/json")], b'{"message":"Internal Server Error"}'
    if well:
        try:
            answer = answer_of(value)
            status, headers, body = answer.status, answer.headers, answer.body
        except NotAnAnswer:
            traceback.print_exc()
    named = {name for name, _ in headers}
    raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers if name != "content-length"]
    if "transfer-encoding" not in named:
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
