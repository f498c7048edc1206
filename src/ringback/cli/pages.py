"""The web console beside a broker's API, where its libraries are installed."""

import asyncio
import hashlib
from typing import Any

from ringback.broker.api.api import explain
from ringback.broker.app import Service
from ringback.broker.settings import Settings, Tenant
from ringback.cli.console_libraries import REMEDY, missing
from ringback.joining import result_of
from ringback.wire.http import Request, Response, Stream


def serve_console(service: Service, settings: Settings, url: str, offered: Tenant | None) -> str:
    """Serve the console at `/console` of a broker that runs; return a line that tells where, or what is missing for it.

    Its libraries are loaded on a thread, so that the broker is up before they are.

    Args:
        service: the broker.
        settings: what it was told; its secrets make the key of the console's cookies, so that every node can read them.
        url: the broker's address.
        offered: an account whose token is public, for development.
    """
    lacking = missing()
    if lacking:
        return f"No console: {lacking} is missing ({REMEDY})"

    def begin() -> "asyncio.Future[Any]":
        return asyncio.ensure_future(asyncio.to_thread(_make, service, settings, url, offered))

    making = begin()

    async def page(request: Request) -> Response | Stream:
        nonlocal making
        if making.done() and making.exception() is not None:
            making = begin()  # what was missing, a file descriptor say, may be there now
        respond = await result_of(making)
        answer: Response | Stream = await respond(request)
        return answer

    service.broker.api.serve_beside("console", page)
    return f"Console: {url}/console"


def _make(service: Service, settings: Settings, url: str, offered: Tenant | None) -> Any:
    from ringback.console.app import Console, Offer
    from ringback.console.door import Door
    from ringback.console.mounted import Inside, mounted
    from ringback.console.session import Seal

    api = service.broker.api
    door = Door(url, lambda: Inside(api.respond, explain))
    offer = Offer(offered.name, offered.token) if offered else None
    return mounted(Console(door, Seal(_secret(settings)), offer).application())


def _secret(settings: Settings) -> bytes:
    """Return what only the brokers of this installation know: it changes when a token does, and everybody is logged out."""
    digest = hashlib.sha256(b"ringback console")
    for tenant in settings.tenants:
        for text in (tenant.name, *tenant.tokens(), tenant.keys.current, tenant.keys.next):
            digest.update(hashlib.sha256(text.encode()).digest())
    return digest.digest()
