"""Receiving tasks: only what the broker has signed runs; the answer tells it whether to come again."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from ringback import clock
from ringback.client import SettingMissing
from ringback.errors import SignatureInvalid
from ringback.shims.publishing import Publisher
from ringback.wire.http import Request, Response
from ringback.wire.signing import verify
from ringback.workflow.adapters import asgi, wsgi
from ringback.workflow.answers import LARGEST_BODY

_LONGEST_REASON = 20_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a task.

    Attributes:
        status: 200 it is done with; 489 it has failed for good and becomes a dead letter; 503 come again.
        told: what is said of it.
    """

    status: int = 200
    told: str = "done"


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was delivered.

    Attributes:
        said: the JSON object that was published.
        body: its text.
        message_id: of the message.
        retried: how often this message was delivered before.
    """

    said: dict[str, Any]
    body: str
    message_id: str
    retried: int


class Receiver:
    """Runs tasks that the broker delivers; to be mounted at the URL that they are published to.

    Args:
        publisher: how they were published.
        run: runs one.
        verify_signatures: False lets everybody run tasks; for development only.
    """

    def __init__(self, publisher: Publisher, run: Callable[[Task], Ran], *, verify_signatures: bool = True) -> None:
        self._publisher, self._run, self._verify = publisher, run, verify_signatures

    def receive(self, request: Request) -> Response:
        """Verify a delivery, run its task, and return what is answered."""
        if request.method != "POST":
            return _answer(405, "tasks are delivered with POST", ("Allow", "POST"))
        try:
            self._check(request)
        except SignatureInvalid as error:
            return _answer(401, str(error))
        except SettingMissing as error:
            return _answer(500, str(error))
        try:
            said = json.loads(request.body)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return _final("the body should be a JSON object that this shim has published")
        retried = request.header("upstash-retried") or "0"
        task = Task(
            said,
            request.body.decode(),
            request.header("upstash-message-id") or "",
            int(retried) if retried.isdigit() else 0,
        )
        ran = self._run(task)
        return _final(ran.told) if ran.status == 489 else _answer(ran.status, ran.told)

    def close(self) -> None:
        """Give back the connections to the broker that publishing has opened."""
        self._publisher.close()

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Be a WSGI application."""
        request = wsgi.request_of(environ)
        response = _too_large() if request is None else self.receive(request)
        return wsgi.respond(response, start_response)

    async def asgi(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Be an ASGI application; tasks run in threads."""
        if scope["type"] != "http":
            raise ValueError(f"tasks are delivered over HTTP, not {scope['type']}: mount this below your application")
        body = await asgi.body_of(receive)
        if body is None:
            response = _too_large()
        else:
            response = await asyncio.to_thread(self.receive, asgi.request_of(scope, body))
        await asgi.send_response(response, send)

    def _check(self, request: Request) -> None:
        if not self._verify:
            return
        keys = self._publisher.known_broker().signing_keys
        if not keys:
            raise SettingMissing(
                "set QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY to the broker's signing keys, so that "
                "nobody else can run tasks"
            )
        verify(request.header("upstash-signature") or "", request.body, keys, clock.now(), self._publisher.url)


def _answer(status: int, told: str, *headers: tuple[str, str]) -> Response:
    body = json.dumps({"error" if status >= 400 else "result": told[:_LONGEST_REASON]}).encode()
    return Response(status, [("Content-Type", "application/json"), *headers], body)


def _final(told: str) -> Response:
    """Say that coming again is useless (protocol 4.2)."""
    return _answer(489, told, ("Upstash-NonRetryable-Error", "true"))


def _too_large() -> Response:
    return _answer(413, f"a task has at most {LARGEST_BODY} bytes")
