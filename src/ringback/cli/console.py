"""`ringback console`: the web console for a broker elsewhere."""

import asyncio
import contextlib
import os
from typing import Any

import click

from ringback.cli.console_libraries import REMEDY, missing
from ringback.cli.remote import find_broker


@click.command()
@click.option("--url", metavar="URL", help="The broker's address; else QSTASH_URL.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def console(url: str | None, host: str, port: int) -> None:
    """Serve the web console for a broker elsewhere.

    A broker serves its own console at /console; this is for one whose own console is turned off or cannot be
    reached. It must be a ringback broker. Whoever logs in brings a token. RINGBACK_CONSOLE_SECRET keeps log-ins over a restart.
    """
    lacking = missing("uvicorn")
    if lacking:
        raise click.ClickException(f"{lacking} is missing; install it with: {REMEDY}")
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
