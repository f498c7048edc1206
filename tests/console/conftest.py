"""The console on a broker in this process: its pages are asked for as a browser would, its calls go to the real API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from ringback.broker.api.api import explain
from ringback.broker.stores.memory import MemoryStore
from ringback.console.app import Console
from ringback.console.door import Door
from ringback.console.mounted import Inside
from ringback.console.session import Seal
from support.chromium import browser
from support.inprocess import TOKEN, InProcess, inprocess

__all__ = ["Desk", "browser"]

URL = "http://broker.example"


@dataclass
class Desk:
    """A console, and the broker behind it."""

    broker: InProcess
    http: httpx.AsyncClient

    async def log_in(self, token: str = TOKEN) -> httpx.Response:
        """Log in."""
        return await self.http.post("/console/login", data={"token": token})

    async def page(self, path: str) -> str:
        """Return a page that is there."""
        answer = await self.http.get(f"/console{path}")
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def do(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Send a form as the page that has it would."""
        page = await self.page("/builder?destination=http://x.example&kind=publish")
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        return await self.http.post(f"/console{path}", data={"csrf": csrf, **fields})


@asynccontextmanager
async def opened(broker: InProcess) -> AsyncIterator[Desk]:
    """Serve the console of a broker for the length of a block."""
    door = Door(URL, lambda: Inside(broker.broker.api.respond, explain))
    application = Console(door, Seal(), now=lambda: broker.at).application()
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers={"Origin": URL}) as http:
        yield Desk(broker, http)
    await door.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with inprocess(MemoryStore()) as broker, opened(broker) as console:
        yield console
