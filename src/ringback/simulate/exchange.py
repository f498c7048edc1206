"""One request on its way through the platform: this file knows what its caller has been told."""

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came.

    Attributes:
        method, target: of the request line; the target with its query.
        headers: names and values as they were sent.
        body: bytes, complete.
        caller: address of the client.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    caller: str = "127.0.0.1"

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.target.partition('?')[0]}"


class Exchange:
    """A call and its answer; whoever answers first has answered.

    Attributes:
        id: given to the instance, which names it when it is through.
        status: what the caller got, 0 while it waits.
        note: what the platform did instead of the application.
        complete: whether the caller has the whole answer of the application.
    """

    def __init__(self, call: Call, send: Send) -> None:
        self.call, self._send = call, send
        self.id = str(uuid.uuid4())
        self.status = 0
        self.note = ""
        self.complete = False
        self.instance = ""
        self.cold = False
        self._given_up = False
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self._began

    async def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Pass the head of the application's answer on, unless the platform has answered."""
        if not self._given_up:
            self.status = status
            await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, body: bytes, *, more: bool) -> None:
        """Pass a part of the body on."""
        if not self._given_up:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            self.complete = not more

    async def refuse(self, status: int, note: str) -> None:
        """Answer for the platform; an answer that has begun is cut off instead."""
        if self._given_up:
            return
        cut, self._given_up, self.note = self.status != 0, True, note
        if not cut:
            self.status = status
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-ringback-simulated", b"1")]
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": f"{note}\n".encode()})
