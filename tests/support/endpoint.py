"""An endpoint that answers as it is told and remembers what it was sent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 20.0
"""Seconds after which waiting for something that should have come fails."""


@dataclass
class Received:
    """One request as the endpoint got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the endpoint answers."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)


Respond = Callable[[Received], Answer]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # a broker that comes back calls about everything at once

    def handle_error(self, *_: object) -> None:
        """A broker that is killed resets its connections; that is no news."""


class Endpoint:
    """A server on a free port of 127.0.0.1."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.received: list[Received] = []
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _requests_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def take(self, request: Received) -> Answer:
        """Note a request and answer it."""
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
        return self.respond(request)

    def wait_for(self, count: int, path: str | None = None) -> list[Received]:
        """Return the requests (to one path) once there are `count` of them."""

        def matching() -> list[Received]:
            return [one for one in self.received if path is None or one.path.partition("?")[0] == path]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count, LIMIT):
                raise AssertionError(f"{len(matching())} requests instead of {count} within {LIMIT} s")
            return matching()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _requests_of(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet; apart they wait for the other end's late acknowledgement

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = endpoint.take(Received(self.command, self.path, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - names of the base class

        def log_message(self, *arguments: object) -> None:
            pass

    return Requests


@contextmanager
def listening(respond: Respond | None = None) -> Iterator[Endpoint]:
    """Run an endpoint for the length of a block; it answers 200 unless told otherwise."""
    endpoint = Endpoint(respond or (lambda _: Answer()))
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()


def eventually(ask: Callable[[], object], limit: float = LIMIT) -> object:
    """Return the first true answer of `ask`; fail when there is none within `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"still {answer!r} after {limit} s")
        threading.Event().wait(0.02)
