"""A provider that is not there: a server on this machine that answers as a provider does, and misbehaves as one may."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIDEO = b"a finished video"


@dataclass(frozen=True)
class Answer:
    """What is answered; a status of 0 is a reply that gets lost after the request was taken."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


LOST = Answer(status=0)


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class StandIn:
    """Answers by a script: for each route the answers in turn, the last one for ever."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._routes: list[tuple[str, re.Pattern[str], list[Answer]]] = []
        self._lock = threading.Lock()
        self.say("GET", "/files/video.mp4", Answer(VIDEO))

    def say(self, method: str, path: str, *answers: Answer) -> None:
        """Answer a route from now on."""
        self._routes.insert(0, (method, re.compile(path), list(answers)))

    def posted(self, path: str) -> list[Asked]:
        """Return the POSTs to a route so far."""
        return [
            asked for asked in self.asked if asked.method == "POST" and re.fullmatch(path, asked.path.split("?")[0])
        ]

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            for method, path, answers in self._routes:
                if method == asked.method and path.fullmatch(asked.path.split("?")[0]):
                    return answers.pop(0) if len(answers) > 1 else answers[0]
        return Answer({"detail": "there is no such thing"}, 404)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Run a stand-in on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = standing.answer(Asked(self.command, self.path, headers, self.rfile.read(length)))
            if answer.status == 0:
                self.close_connection = True
                return
            raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            kind = "video/mp4" if isinstance(answer.body, bytes) else "application/json"
            for name, value in {"content-type": kind, "content-length": str(len(raw)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the names that the server looks for

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    standing = StandIn(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield standing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
