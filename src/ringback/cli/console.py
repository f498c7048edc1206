"""The web console: served by the broker beside its API, or by `ringback console` for a broker elsewhere."""

import asyncio
import contextlib
import hashlib
import os
from importlib.util import find_spec
from typing import Any

import click

from ringback.broker.api.api import explain
from ringback.broker.app import Service
from ringback.broker.settings import Settings, Tenant
from ringback.cli.remote import find_broker
from ringback.wire.http import Request, Response, Stream

_LIBRARIES = ("cron_descriptor", "cryptography", "jinja2", "starlette")
_REMEDY = "pip install 'ringback[console]'"


def serve_console(service: Service, settings: Settings, url: str, offered: Tenant | None) -> str:
    """Serve the console at `/console` of a broker that runs; return a line that tells where, or what is missing for it.

    Its libraries are loaded on a thread, so that the broker is up before they are.

    Args:
        service: the broker.
        settings: what it was told; its secrets make the key of the console's cookies, so that every node can read them.
        url: the broker's address.
        offered: an account whose token is public, for development.
    """
    missing = _missing()
    if missing:
        return f"No console: {missing} is missing ({_REMEDY})"
    making = asyncio.ensure_future(asyncio.to_thread(_make, service, settings, url, offered))

    async def page(request: Request) -> Response | Stream:
        respond = await making
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


def _missing(*more: str) -> str | None:
    return next((name for name in (*_LIBRARIES, *more) if find_spec(name) is None), None)


@click.command()
@click.option("--url", metavar="URL", help="The broker's address; else QSTASH_URL.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def console(url: str | None, host: str, port: int) -> None:
    """Serve the web console for a broker elsewhere.

    A broker serves its own console at /console; this is for one that cannot, such as the hosted service's. Whoever logs in
    brings a token. RINGBACK_CONSOLE_SECRET keeps log-ins over a restart.
    """
    missing = _missing("uvicorn")
    if missing:
        raise click.ClickException(f"{missing} is missing; install it with: {_REMEDY}")
    import uvicorn

    from ringback.console.app import Console
    from ringback.console.door import Door
    from ringback.console.session import Seal

    broker = find_broker(url, "-")
    secret = os.environ.get("RINGBACK_CONSOLE_SECRET", "")
    application = Console(Door(broker.url), Seal(secret.encode() or None)).application()
    server = uvicorn.Server(
        uvicorn.Config(application, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(server, host, broker.url))


async def _run(server: Any, host: str, broker: str) -> None:
    serving = asyncio.ensure_future(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells by nothing else
        await asyncio.sleep(0.02)
    if server.started:
        port = server.servers[0].sockets[0].getsockname()[1]
        click.echo(f"the console of {broker} is at http://{host}:{port}/console")
    await serving
