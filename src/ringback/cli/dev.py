"""`ringback dev`: a broker for development, with the accounts and the port that clients expect."""

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

import click

from ringback.broker.app import Service
from ringback.broker.settings import DEVELOPMENT_TENANTS, Settings
from ringback.broker.stores.contract import StoreUnavailable


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    envvar="QSTASH_DEV_PORT",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file; without it, nothing is kept.",
)
def dev(host: str, port: int, db: Path | None) -> None:
    """Start a broker for development.

    It has the public development accounts, so QSTASH_DEV=true finds it, and it may call addresses on this machine.
    """
    with contextlib.ExitStack() as stack:
        folder = db.parent if db else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringback-")))
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(host, port, db or folder / "ringback.db", DEVELOPMENT_TENANTS, private_destinations=True)
        try:
            run(settings)
        except (StoreUnavailable, OSError) as error:
            raise click.ClickException(str(error)) from error


def run(settings: Settings) -> None:
    """Run a broker until it is told to stop."""
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    service = Service(settings)
    host, port = await service.start()
    url = f"http://{host}:{port}"
    tenant = settings.tenants[0]
    click.echo(f"ringback is running at {url}\n")
    click.echo(f"QSTASH_URL={url}")
    click.echo(f"QSTASH_TOKEN={tenant.token}")
    click.echo(f"QSTASH_CURRENT_SIGNING_KEY={tenant.keys.current}")
    click.echo(f"QSTASH_NEXT_SIGNING_KEY={tenant.keys.next}\n")
    await stop.wait()
    click.echo("stopping ...")
    await service.stop()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it halves the cost of a connection."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.Loop
